// Package events is what is said: the subjects, the streams and consumers, one struct per event, and the two ends of the wire.
//
// Saying something:
//
//	nc, err := events.Connect(url, "pdeflow classifier", "", log)
//	js, err := events.JetStream(nc)
//	say := events.NewPublisher(js, "classifier")
//	err = say.Publish(ctx, events.JobStarted(jobID))
//
// Hearing it:
//
//	runner := events.Consume(js, events.ClassifierRules(), classify, events.Options{Workers: 8, Log: log})
//	err = runner.Run(ctx) // until ctx ends
//
//	func classify(ctx context.Context, d events.Delivery, work events.MappingRequested) error
//
// asyncapi.yaml describes all of it for those who do not read Go, and testdata has a sample of each event as it travels.
//
// # Decisions
//
//  1. An event says where to look; the rows say what is true. So any event may be lost, repeated, late or forged, and nothing here tries
//     to deliver exactly once. No message carries Nats-Msg-Id: a repeat within the window would be acknowledged and dropped. No sequence
//     of a stream is kept anywhere: after a wiped store sequences start again.
//  2. PDE_WORK has room for one message per mapping and job, because both stand in the subject and the stream refuses a second message
//     on a subject. The refusal is an answer, [Outstanding], and no error. It is told from other refusals by its text, because the server
//     has one code, 10077, for all of them.
//  3. The envelope is CloudEvents 1.0 in binary mode, its headers percent-encoded, and read strictly: an event whose type is not its
//     subject's, whose ids are not those of its subject, or whose ce-id does not follow from its body is not understood. Fields that are
//     not known are ignored, so that later versions may say more. A trace context that cannot be read is none: an event is worth more
//     than its trace.
//  4. Events carry a little more than they need for their meaning, so that the ce-id follows from the body: intent_version in paused,
//     resumed and cancelled, since in waiting, version in mapping.changed, change_id in planning.changed. All bells of a job have one id: a bell did not happen.
//  5. ce-time is when it was said, by the speaker's clock; when it happened is in the rows.
//  6. The handler returns and the runner settles: nil acknowledges, [Discard] and [Reject] end, [RetryAfter] comes again after its delay,
//     anything else with growing delays; none of them counts anything. A batch may return one result per message, [Verdicts]. Only a work message that is not understood is published to mapping.rejected, before it is ended; an
//     event stays in PDE_EVENTS anyhow.
//  7. Acknowledgements are sent and not waited for. One that is lost brings the message again, and handlers bear that.
//  8. Messages are fetched in requests for exactly as many as there is room for, never more than MaxAckPending lets out or somebody lets
//     be asked for at once, each request open for half a second. nats.go's iterators keep a buffer of their own, out of reach: what waits there could neither be kept alive
//     nor given back. They also end for good when a consumer is deleted.
//  9. From its receipt until it is settled a message gets a sign of life every third of AckWait, whether somebody works on it or not. When
//     none has reached the server for as long as AckWait, or the consumer is gone, the message is given up: its handler's context ends,
//     it is not settled. AckWait is short, because it is how long the messages of a killed process lie idle; a delivery too many is
//     harmless, because a row is written under its version.
//  10. An acknowledgement only names a position in the stream. Sent to a stream that was made anew it would take another message away, so
//     after every reconnect the consumer must have the creation time that it had; else what was received before is not settled. A server
//     that does not answer that question is asked again, until AckWait is over: it may only be looking for a leader. For the same reason a connection keeps nothing to send later: what is published while NATS is away fails at once.
//  11. Whoever runs a consumer declares everything: a wiped server is whole again as soon as one process comes back to it, and the
//     projector's consumer is there before anybody says something new. A consumer's beginning cannot be changed after it was made, so it
//     only counts where the consumer is missing: all work for the classifier, new events for the projector (bells do the rest; thirty
//     days of old events would hold back the repair), the time of its last row for the auditor.
//  12. What an operator sets on our streams beside what [Topology] says (placement, replicas, further limits) is left alone. A limit that
//     PDE_WORK refuses for is then an error, not [Outstanding].
//  13. A problem that many messages share is logged once for each reason, and once more with a count when it has ended: see [Recurring].
//     A log with a line per message and delivery hides everything else.
//  14. Both streams have limits by default, because a stream that fills the store or the account stops every job. PDE_EVENTS discards its
//     oldest events; 8 GiB, or three quarters of what the server or the account offers. PDE_WORK refuses, at a third of that or 64 MiB, so
//     that no job's window takes the room of its events. What there is to offer is found by trying, since NATS reserves the room when a
//     stream is created and shows clients no limits of the server. The limits that pdeflow has set are noted in the stream's metadata. A
//     limit that differs from the note is an operator's and stays, also none at all; [Topology.MaxBytes] and [Topology.MaxWorkBytes], which are
//     explicit, win over it.
//  15. Every third of AckWait a runner compares its consumer with what is declared and restores what differs, since an edit such as a
//     MaxAckPending of one slows every job down without an error. To change it intentionally, set [Topology.MaxAckPending]. A consumer that
//     is ahead of its stream, after a reset or after a stream lost its end, would skip messages; it is made anew.
//  16. A message stays in PDE_WORK for a day at most: what no consumer takes, such as a forged message on the llm lane, is not kept for
//     ever, and what is still needed is published again.
//  17. A stream or consumer that the server does not create is a [NotDeclared], which names the setting to correct ([Explain]). Another
//     stream may have our subjects; the acknowledgement of a publish names the stream, and one that is not ours counts as [ErrNoStream].
//     A header with the expected stream would be stored and delivered with every event.
package events
