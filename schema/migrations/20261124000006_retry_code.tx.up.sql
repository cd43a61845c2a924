-- What a retry is narrowed to, where it is: an error code as in job_items.
alter table jobs add constraint jobs_retry_error_code_check check (retry_error_code in ('', 'confirmed', 'panic', 'classifier_error', 'poison'));
