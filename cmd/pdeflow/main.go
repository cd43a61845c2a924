// Command pdeflow maps the attributes of regulatory reports to source columns and classifies them, as background jobs.
// Each subcommand has a file of its name. pdeflow help lists them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		// A second signal has its default effect and ends the process at once.
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr, os.Getenv))
}
