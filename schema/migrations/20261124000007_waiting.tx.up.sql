-- What was last said of what the job waits for; null: that it waits for nothing.
alter table jobs add column announced_waiting text;
