// Package llmtest runs a server that speaks the protocols of model providers, for tests and for bench llm. It is not a
// model: its answers follow a fixed rule ([Rule]) from the text of the request. serve and demo do not use it.
//
// A server answers chat completions (/v1/chat/completions), messages (/v1/messages) and the routes of models. Latencies
// are log-normal and seeded, so that a run can be repeated. A script chooses a [Fault] for each call: something that a
// provider, a gateway or a network may do wrong. A limit refuses calls like the limit of an account, with or without
// hints.
//
//	server, err := llmtest.New(llmtest.Options{Script: llmtest.Sequence(llmtest.ServerError, llmtest.Prose)})
//	...
//	defer server.Close()
//	client, err := provider.New(server.Config(provider.OpenAI))
package llmtest
