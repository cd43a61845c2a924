// Package faults tests that jobs survive random faults. It runs the services as separate processes against a real
// Postgres and a real nats-server, breaks them at random moments, and then checks that nothing was lost, counted twice
// or left over. It has no code for production.
//
// go test runs it once, in about a minute. A long run has more:
//
//	go test ./cmd/pdeflow/faults -v -count=1 -timeout 0 -args -runs 50 -faults 20 -mappings 5000
//
// Each run logs its seed and its faults. -seed repeats the same faults in the same order. The progress at which each
// begins, and what the services do in between, depend on the machine.
//
//   - suite_test.go has the run: the job, the faults between two measures of its progress, and the report.
//   - process_test.go has the processes.
//   - fault_test.go has the faults of processes and of Postgres, and broker_test.go those of NATS and of its messages.
//   - verify_test.go has the checks after a run.
package faults
