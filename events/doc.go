// Package events defines the events of pdeflow, their subjects and streams, and publishes and consumes them.
//
// To publish:
//
//	nc, err := events.Connect(url, "pdeflow classifier", "", log)
//	js, err := events.JetStream(nc)
//	publisher := events.NewPublisher(js, "classifier")
//	err = publisher.Publish(ctx, events.JobStarted(jobID))
//
// To consume:
//
//	runner := events.Consume(js, events.ClassifierRules(), classify, events.Options{Workers: 8, Log: log})
//	err = runner.Run(ctx) // until ctx ends
//
//	func classify(ctx context.Context, d events.Delivery, work events.MappingRequested) error
//
// [Consume] has a complete example. asyncapi.yaml describes the events for other languages, and testdata has an
// encoded sample of each.
//
// # Decisions
//
//  1. An event names a row, and the row is the truth. So any event may be lost, repeated, late or forged, and
//     nothing here attempts exactly-once delivery. Messages have no Nats-Msg-Id, because a repeat within the
//     deduplication window would be acknowledged and dropped. No stream sequence is stored anywhere, because
//     sequences start again after a wiped store.
//  2. PDE_WORK stores one message per mapping and job: both are in the subject, and the stream refuses a second
//     message on a subject. That refusal is a result, [Outstanding], not an error. The server uses code 10077 for
//     all refusals, so its text has to be compared.
//  3. The envelope is CloudEvents 1.0 in binary mode with percent-encoded headers. It is decoded strictly: the
//     type must be that of the subject, the ids must be those of the subject, and the ce-id must follow from the
//     body. Unknown fields are ignored, so that later versions can add some. An unreadable trace context is
//     ignored, since losing a trace is better than losing an event.
//  4. The body contains what the ce-id is derived from: intent_version in paused, resumed and cancelled, since in
//     waiting, version in mapping.changed, change_id in planning.changed. All bells of a job have one id, because
//     a bell reports no change.
//  5. ce-time is the publisher's clock at publication. The rows have the time of the change.
//  6. The handler returns and the runner settles: nil acknowledges, [Discard] and [Reject] terminate,
//     [RetryAfter] redelivers after its delay, any other error after a growing delay. None of them counts an
//     attempt. A batch may return one result per message ([Verdicts]). Only a rejected work message is published
//     to mapping.rejected before it is terminated; an event stays in PDE_EVENTS anyway.
//  7. Acknowledgements are not confirmed. A lost one has the message redelivered, which handlers accept.
//  8. The runner pulls exactly as many messages as it has room for, at most MaxAckPending and the operator's
//     MaxRequestBatch, in requests of half a second. The iterators of nats.go have a buffer of their own, whose
//     messages could neither be kept alive nor returned, and they end when the consumer is deleted.
//  9. From receipt to settlement a message gets an in-progress acknowledgement every third of AckWait, also while
//     it is queued. If none reached the server for AckWait, or the consumer is gone, the message is lost: the
//     context of its handler ends and it is not settled. AckWait is short, because it is how long the messages of
//     a killed process stay idle. An unnecessary redelivery is harmless, because a row is saved under its
//     version.
//  10. An acknowledgement only names a stream position. Sent to a stream that was created again, it would remove
//     another message. So after every reconnect the consumer must have its old creation time, or earlier messages
//     are not settled. If the server does not answer, which may be an election, the question is repeated until
//     AckWait is over. For the same reason the connection has no buffer: what is published while NATS is
//     unreachable fails at once.
//  11. Every consuming process declares the streams and consumers, so the first one that reconnects to a wiped
//     server restores them, and the projector's consumer exists before new events are published. The start of a
//     consumer cannot be changed later, so it only matters for a missing one: all work for the classifier, new
//     events for the projector (bells repair the rest; 30 days of old events would delay that), about the
//     time of the last event in the audit log for the auditor.
//  12. Settings that [Topology] does not have, such as placement and other limits, belong to the operator. If
//     PDE_WORK refuses a message because of one, that is an error, not [Outstanding].
//  13. A problem of many messages is logged once per reason, and once more with a count when it has ended: see
//     [Recurring]. A log line per message and delivery hides everything else.
//  14. Both streams have limits by default, because a stream that fills the store or the account stops every job.
//     PDE_EVENTS discards its oldest events at 8 GiB. If the server or account has less room, the limit is reduced by
//     a quarter until it fits together with that of PDE_WORK.
//     PDE_WORK refuses messages at a third of that, at most 64 MiB, so that the window of a job leaves room for
//     its events. The room is found by trying, since NATS reserves it when a stream is created and does not show
//     server limits to clients. The stream's metadata records the limits that pdeflow has set. A limit that
//     differs from the record is an operator's and stays, including none; an explicit [Topology.MaxBytes] or
//     [Topology.MaxWorkBytes] overrides it.
//  15. Every third of AckWait a runner compares its consumer with the declaration and restores differences,
//     because an edit such as a MaxAckPending of 1 slows down every job without an error. To change it on
//     purpose, set [Topology.MaxAckPending]. A pause is no difference: it has an end and no other purpose than to
//     stop the work, so it is reported ([Paused]) and not restored. A consumer that is ahead of its stream, after
//     a reset or after the stream lost its tail, would skip messages; it is deleted and created again.
//  16. PDE_WORK keeps a message for at most a day, so that a message that no service takes, such as a forged one
//     on the llm lane without a model, does not stay for ever. A message that is still needed is published again.
//  17. A stream or consumer that the server does not create is a [NotDeclaredError], which names the setting to
//     correct ([Explain]). If another stream has our subjects, the acknowledgement of a publish names that
//     stream, and the result is [ErrNoStream]. The header with the expected stream is not used, because it would
//     be stored and delivered with every event.
package events
