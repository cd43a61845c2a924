// Command pdeflow maps the attributes of regulatory reports to the columns that feed them and classifies them, as
// background jobs over whole reports. Each subcommand is a file of its name; pdeflow help lists them.
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
		// The second signal finds the default behaviour again and ends the process at once.
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr, os.Getenv))
}
