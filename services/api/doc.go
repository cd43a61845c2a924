// Package api is the HTTP API: the one way in which people and programs ask for jobs, steer them, and read what became of them.
//
// [New] makes a [Server] and [Server.Run] serves it. One file holds the routes of one noun, registered by one function; [route] says
// for each of them who may call it, how long its body may be, and how its errors become problems (RFC 9457, application/problem+json).
//
//  1. The first thing that a request does is a log line, before it is routed, authorised or read; the last is one with status and
//     duration. So whatever goes wrong in between, a panic included, there is a trace of who asked for what (log.go). Only what net/http
//     cannot read as a request has none: a broken request line or header (400), headers of more than 64 KiB (431), headers that take
//     more than ten seconds (no answer), an unknown Expect (417), Transfer-Encoding (501) or version of HTTP (505).
//
//  2. Asking for a job is one transaction: the job and its first intent are there, or nothing is. That it was asked for is published
//     after the commit and gets 50 ms; what could not be said in that time the dispatcher says later, so the answer does not depend on
//     NATS (ask.go).
//
//  3. Refused values are never sent back. A problem names the field and what would be right; what stood there may be anything, a
//     customer's number too (problem.go, refusal.go).
//
//  4. A job's intent counts from the moment it is recorded, its status follows. So what a job may be asked is decided by its row, not
//     by the status, which may lag (job.go, schema/intent.go).
//
//  5. Requests that wait for a job's status share one reader per process: two statements for all of their jobs, ten times a second while
//     events come and twice a second otherwise, however many requests wait. The row is the truth. An event only makes the next read due,
//     because it arrives before the projector has written what follows from it; with NATS down, waiting works as well. Nor may the
//     answers cost the jobs their speed: progress is answered at most 250 times a second over all waiting requests, a change of state
//     at once (statusreader.go).
//
//  6. Planning data changes in one transaction that holds the report's strongest lock, so an import and a job that is being asked for
//     cannot miss one another. Files are read to their end before it begins: what is wrong with any of them is said at once, and nothing
//     is written. Two imports are done at once, and nobody waits for one for more than two seconds: the rest is told to try again, since
//     who waits holds memory or a connection (import.go, schema/import.go, schema/report.go).
//
//  7. The cost of a request is bounded before it is understood: its bytes, the items in its lists, and the problems in its answer. An
//     upload is received into a file without a name, so a slow one holds neither memory nor a place for imports (body.go). A body that
//     two parsers could read differently is refused: a field that is given twice or in another case, half a surrogate pair, another
//     encoding than UTF-8 (json.go).
//
//  8. The OpenAPI document declares every status that a route answers, and the tests of this package judge every response by it
//     (openapi.go, contract_test.go). A new route names its own refusals in Errors of its operation.
package api
