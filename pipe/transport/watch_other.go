//go:build !linux

package transport

import "context"

// Watch returns nil once the parent with the process id ppid has ended, which is
// what os.Getppid has said before, or the cause for which ctx is done.
func Watch(ctx context.Context, ppid int) error { return watchByAsking(ctx, ppid) }
