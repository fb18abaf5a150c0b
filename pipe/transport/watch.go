package transport

import (
	"context"
	"os"
	"time"
)

// watchTick is how often a parent is looked for where the system does not tell.
const watchTick = time.Second

// watchByAsking waits until our parent is another: orphans get a new one.
func watchByAsking(ctx context.Context, ppid int) error {
	t := time.NewTicker(watchTick)
	defer t.Stop()
	for os.Getppid() == ppid {
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
