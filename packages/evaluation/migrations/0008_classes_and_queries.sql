-- What comparisons rest on where rows have not two classes: queries of rankings, and the rarest of several classes where a rule weighs them alike.
alter table evaluation.comparisons add column queries bigint;
alter table evaluation.comparisons add column rarest_class bigint;
