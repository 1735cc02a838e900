-- What values go online for, by which policies on data are asked; null of materialisations from before.
alter table features.materializations add column purpose text;
