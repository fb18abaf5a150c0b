package pack

import "github.com/sente-lite/sente-lite/pipe"

// Sent sets how many messages a side of an aes-gcm link has written.
func Sent(c pipe.Coder, n uint32) { c.(*aesGCM).sent = n }
