//go:build race

package main

// slow is how many times as much time and memory the program may take that is
// watched for races.
const slow = 4
