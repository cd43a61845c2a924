// Package provider calls language models over the two protocols that providers offer: OpenAI's chat completions,
// which vLLM, Ollama, Azure and most gateways also speak, and Anthropic's messages.
//
// [Client.Complete] sends one request and returns the text of the answer, which should be JSON that matches the
// schema of the request. It does not validate that text, does not wait and does not retry: [Error] has the kind of a
// failure and the wait that the provider asks for, and the caller decides. [Client.Check] finds a refused key and an
// unknown model before a job starts.
//
// # Decisions
//
//  1. The clients are written on net/http. The official libraries add 68 s (OpenAI) and 38 s (Anthropic) to a cold
//     build on two cores, and their retries would hide the provider's hints from the limit of the lane. Only one
//     request and one reply of each protocol are used.
//  2. Structured output is requested in the way each protocol documents: response_format json_schema with strict, and
//     output_config.format. Models of Anthropic that always think refuse a forced tool call, so a tool is only the
//     fallback for older models and gateways, which refuse output_config.
//  3. Servers differ in the parameters that they accept: reasoning models refuse temperature and logprobs, Ollama
//     knows max_tokens and OpenAI max_completion_tokens. If a server refuses a parameter, which costs nothing, the
//     request is sent again without it, and the client remembers it ([features]).
//  4. A reply has at most 1 MB. A body that is cut off by the connection is an outage; a complete body that is not
//     what the protocol promises is malformed. Both can be paid for, so a malformed reply and a refusal are returned
//     together with their usage as far as it can be read.
//  5. The key never appears in an error. Redirects are not followed, because they would send the key to another host.
//     A provider's text for a refused key is not repeated, because it shows parts of the key.
package provider
