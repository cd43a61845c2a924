// Package api is the HTTP API: people and programs use it to start jobs, to control them, and to read their results.
//
// [New] returns a [Server], and [Server.Run] serves it. A file has the routes of one noun, which one function
// registers. [route] sets the role and the maximum body size of each route, and turns errors into problems (RFC 9457,
// application/problem+json).
//
//  1. The first action for a request is a log line, before it is routed, authorised or read; the last one is a log line
//     with status and duration. So every request leaves a trace, even if it panics (request_log.go). The exceptions are
//     requests that net/http cannot parse: a broken request line or header (400), headers of more than 64 KiB (431),
//     headers that take more than ten seconds (no response), an unknown Expect (417), Transfer-Encoding (501) or
//     version of HTTP (505).
//
//  2. A job is started in one transaction, which inserts the job and its first intent. The event is published after the
//     commit, with a timeout of 50 ms; if that fails, the dispatcher publishes it later. So the response does not
//     depend on NATS. The handler opens the transaction, plans and inserts (regenerate.go, retry.go); idempotency keys,
//     the conflict with the active job and the publish are functions that it calls (idempotency.go, start_job.go).
//
//  3. A response never repeats a refused value, which may be personal data. A problem has the field and the
//     requirement, which is taken from the OpenAPI document (problem.go, huma_error.go, describe.go).
//
//  4. An intent takes effect when it is recorded in the row of the job; the status follows. So the row decides which
//     intents a job accepts, not the status, which may lag (intent.go).
//
//  5. Requests that wait for the status of a job share one reader per process. It uses two statements for all of their
//     jobs, ten times a second while events arrive and twice a second otherwise. The row is authoritative. An event
//     only triggers the next read, because it arrives before the projector has written the status; without NATS, the
//     reader polls. Responses must not slow down the jobs: over all requests, progress is answered at most 250 times a
//     second, but a change of state immediately (statusreader.go).
//
//  6. Planning data is changed in one transaction that holds the strongest lock of the report, so that imports and new
//     jobs exclude each other. Files are read completely before it begins, so that all mistakes are reported at once
//     and nothing is written. At most two imports run at once, and a request waits for one at most two seconds, because
//     it holds memory or a connection (import.go, schema/import.go, schema/report.go).
//
//  7. The cost of a request is bounded before it is parsed: its bytes, the items in its lists, and the problems in its
//     response. An upload is received into a file that is already removed, so a slow one uses neither memory nor a slot
//     for imports (body.go). A body that two parsers could read differently is refused: a field that is given twice or
//     in another case, half a surrogate pair, another encoding than UTF-8 (json.go).
//
//  8. The OpenAPI document declares every status of a route, and the tests of this package check every response against
//     it (openapi.go, contract_test.go). A new route adds its own statuses to Errors of its operation. Fields that the
//     contract names but that have no effect yet begin their description with "Not yet".
//
//  9. An export reads pages and writes each to the response before it reads the next, so that its memory does not
//     depend on the size of the report. It is not one snapshot: a slow client would keep the database from removing
//     dead rows. If it fails after the response has begun, it closes the connection (export.go).
//
//  10. An import of decisions compares each row with the mapping as an export would write it, so that a file needs no
//     record of its own of what people have changed. A row of an older version is compared with the history. It is no
//     conflict if it is as it was exported. The file is read before the transaction, which locks and saves one page of
//     mappings after another. A dry run saves nothing. After the first conflict the rest of the file is only checked,
//     unless only_clean is set (decision_file.go).
//
//  11. The web page (page*.go, package desk) calls the same functions as the JSON routes, with forms in place of JSON.
//     Its session is the token in a cookie, which scripts and requests of other sites cannot use; forms are also
//     refused if another site has sent them. JSON routes accept the cookie only for reading, because a page cannot set
//     a header for events and downloads. A stream of events holds no resource but its connection: all streams share one
//     reader.
//
//  12. An export as OpenLineage is one event, because a catalogue replaces what it has of a report by each event. The
//     fields of a report are in three facets, so the pages are read three times instead of being kept (lineage.go).
package api
