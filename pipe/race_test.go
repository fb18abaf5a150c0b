//go:build race

package pipe_test

// The race detector makes everything ten times as long.
const (
	manyPeers = 500
	formStep  = 5 // one of so many cells of the matrix is played
)
