// Package throttle limits the calls of the model lane to what the provider accepts: at most N at once, at a rate that
// it finds by itself, and none while the provider is down.
//
//	err := limiter.Do(ctx, func(ctx context.Context) (err error) {
//		reply, err = client.Complete(ctx, request)
//		return err
//	})
//	if wait, ok := errors.AsType[*throttle.WaitError](err); ok {
//		// no call succeeds before wait.Until; the item has not failed
//	}
//
// # Decisions
//
//  1. A refused call waits as long as the provider asks for, or with exponential backoff without a hint, and then
//     queues again. Other calls have its place until then. A hint of more than 10 s pauses the lane ([WaitError]), so
//     that the job can report it and its items wait in the stream and not in memory.
//  2. The rate is unlimited until the first refusal. Then a trial begins: the rate is lowered in steps, each to what
//     the provider has accepted and at most by half, because delayed refusals may arrive at once. If a quarter of the
//     refusals remains, the limit is found. The rate grows by 3% in every epoch without an unexpected refusal, and
//     faster after five of them. If the accepted calls fall with the rate, the refusals do not depend on it (a
//     gateway that fails at random): the rate is restored, and as many refusals are expected from then on. Comparing
//     only the shares of refusals in two epochs confuses chance with a limit: bench llm with a quarter refused at
//     random fell from 23 to 1 calls a second. Nor may a step be judged by few calls: those of a slow model, 16 at
//     once of five seconds each, fell to 0.07 of the best. A simulation with 40 seeds reaches 0.93 of the best (at
//     least 0.89) with random refusals of fast calls, and 0.99 with a limit; with slow calls, 0.75 to 0.84 at the
//     mean and 0.39 at least.
//  3. Five failures without a success in between, of the kinds that concern every call, open the breaker. After a
//     pause, one call tries whether the provider works again. Each failure doubles the pause, up to a minute. A refused
//     key, an unknown model and an account without credit open it at once, because they would fail every item.
//  4. If a call fails four times and others succeed between these failures, the cause is its item and not the
//     provider. Its error is returned.
//  5. failsafe-go was considered: its adaptive limiter follows latencies, not refusals, its breaker knows no hints of a
//     provider, and it adds four modules.
package throttle
