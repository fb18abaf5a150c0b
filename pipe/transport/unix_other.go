//go:build !unix

package transport

import (
	"context"
	"syscall"
	"time"
)

func lockFolder(context.Context, string, time.Duration) (unlock func(), err error) {
	return func() {}, nil
}

func beforeBind(_, _ string, _ syscall.RawConn) error { return nil }

func effectiveUser() int { return -1 }
