-- What auto-map counts when it is asked for, and lists: the mappings without a source column. Counting them must not read the report.
-- The price is that a row's first mapping to a column is no heap-only update any more, 3 to 8 % of the rate of a first regeneration;
-- later ones mostly find the same column and stay so.
create index pde_mappings_unmapped on pde_mappings (cycle_id, report_id, id) where source_field is null;
