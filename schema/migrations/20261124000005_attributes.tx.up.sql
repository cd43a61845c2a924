-- A page of a report's attributes in their order, and the attributes that an import knows by name. Without these either reads the whole
-- report, or those of all others before it. They are on the planning data only, so they cost an import a little and a job nothing.
create index attributes_report on attributes (cycle_id, report_id, id);
create index attributes_name on attributes (cycle_id, report_id, attribute_name);
