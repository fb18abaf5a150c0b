//go:build !race

package pipe_test

const (
	manyPeers = 10_000
	formStep  = 1
)
