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
//  2. The rate is unlimited until the first refusal. Then it becomes what the provider has accepted in the last epoch,
//     which for a provider with a limit is that limit, and grows by 3% in every epoch without a refusal, and faster
//     after five of them: when everything is slow, late refusals lower the rate too far, and it took minutes to
//     recover (bench llm on a busy machine fell from 23 to 2 calls a second). If fewer calls are refused just as
//     often, the refusals do not depend on the rate (a gateway that fails at random), and the rate is restored:
//     lowering it again and again would stop the lane.
//  3. Five failures without a success in between, of the kinds that concern every call, open the breaker. After a
//     pause, one call tries whether the provider works again. Each failure doubles the pause, up to a minute. A refused
//     key, an unknown model and an account without credit open it at once, because they would fail every item.
//  4. If a call fails four times and others succeed between these failures, the cause is its item and not the
//     provider. Its error is returned.
//  5. failsafe-go was considered: its adaptive limiter follows latencies, not refusals, its breaker knows no hints of a
//     provider, and it adds four modules. This package has 400 lines.
package throttle
