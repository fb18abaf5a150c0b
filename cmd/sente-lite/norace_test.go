//go:build !race

package main

// slow is how many times as much time and memory the program may take: it is
// the one that is released.
const slow = 1
