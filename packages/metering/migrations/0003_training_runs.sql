-- Runs are counted from now on: those of before are read again, by the ids that their other records have.
delete from metering.collected where source = 'training';
