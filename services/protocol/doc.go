// Package protocol checks the protocol of a job with a model: it explores every order of the steps of the services, of
// users and of faults, for jobs of one and two mappings, and checks the guarantees in every state. It has no code for
// production; the model is in its tests.
//
//   - model_test.go has the state: the rows in Postgres, the messages in NATS, and the memory of the processes.
//   - step_test.go has the mechanisms, and the steps of the dispatcher, of users, and of faults: a process dies, the
//     streams are wiped, a message is delivered or published again, an event is repeated or forged.
//   - step_service_test.go has the steps of the classifier and of the projector. A step is one transaction or one
//     publish, and has the name of the function that takes it.
//   - guarantee_test.go has the guarantees.
//   - explore_test.go visits all states, the nearest first, and prints the shortest sequence of steps to a violation.
//     It also finds the states from which the job can no longer end.
//   - protocol_test.go explores the protocol as it is, and again without each of its mechanisms, which must violate a
//     guarantee. So every mechanism is needed, and every guarantee can fail.
//
// # Decisions
//
//  1. The model leaves out what decides about no guarantee: the contents of mappings, windows, hints and backoff. A
//     step that a service takes at a time, such as the redelivery after AckWait, is possible at any time. An error that
//     ends an item at once, at any attempt, is left out.
//  2. Versions are not counted. When a row is written, what was read of it is marked as stale, which is all that a
//     guard compares.
//  3. Faults and requests are limited, because each multiplies the states. In 600,000 states, all scopes together, no
//     guarantee fails. The first exploration found that the projector could count an item by a row of the job that it
//     had read before the job started, so that clients saw "pending" with an item counted.
//  4. The order in which messages are acknowledged is no guarantee: with every acknowledgement first, the
//     reconciliation loop and the bells still complete the job.
package protocol
