// Package audit is the audit log: its rows and their chain of hashes, the facts that the database holds about an event, what the log
// lacks of them, and the verification of the log.
package audit
