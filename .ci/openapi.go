// Command openapi prints the OpenAPI document of the API, without any server. The linters of the documents read it.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/pdeflow/pdeflow/services/api"
)

func main() {
	verify, err := api.SecretVerifier(make([]byte, 64))
	if err != nil {
		exit(err)
	}
	server, err := api.New(nil, nil, api.Options{Verify: verify})
	if err != nil {
		exit(err)
	}
	answer := httptest.NewRecorder()
	server.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if answer.Code != http.StatusOK {
		exit(fmt.Errorf("openapi.json: got status code %d: %s", answer.Code, answer.Body))
	}
	if _, err := os.Stdout.Write(answer.Body.Bytes()); err != nil {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
