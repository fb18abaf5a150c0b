package pipe

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
)

// welcome is the map of ready, or the handshake's data.
func (s *Session) welcome(hello Hello, out outcome) []byte {
	h := s.hub
	b := AppendString([]byte("{:uid "), s.uid)
	b = AppendString(append(b, " :session "...), s.token)
	b = fmt.Appendf(b, " :seen %d ", s.received.Load())
	b = h.appendSelf(b, s.role == RoleOwner && s.l.info.Upgraded == nil)
	if s.allow.on {
		b = fmt.Appendf(b, " :credit %d", s.allow.size)
	}
	return append(out.append(b), '}')
}

// append appends what a peer is told of the session that it wanted back.
func (out outcome) append(b []byte) []byte {
	b = fmt.Appendf(b, " :recovered? %t :missed ", out.s != nil)
	switch {
	case out.reason == "":
		return append(b, '0')
	case out.known:
		b = strconv.AppendUint(b, out.missed, 10)
	default:
		b = append(b, "nil"...)
	}
	return append(append(b, " :reason :"...), out.reason...)
}

// Ready is the :sente-lite/ready of a sidecar without a parent, for its stdout.
func (h *Hub) Ready() []byte {
	return append(h.appendSelf([]byte("[:sente-lite/ready {"), true), "}]"...)
}

// appendSelf appends what there is to know about this sidecar: for owners, or
// for everybody.
func (h *Hub) appendSelf(b []byte, owner bool) []byte {
	b = AppendString(append(b, ":version "...), h.cfg.Version)
	b = fmt.Appendf(b, " :protocol %d :now %d", Protocol, now())
	if owner {
		b = fmt.Appendf(b, " :pid %d :listen [", os.Getpid())
		if h.cfg.Listening != nil {
			for n, a := range h.cfg.Listening() {
				if n > 0 {
					b = append(b, ' ')
				}
				b = AppendString(b, a)
			}
		}
		b = append(b, "] :modules []"...)
	}
	f := &h.settings.Load().Flow
	b = fmt.Appendf(b, " :limits {:max-message-bytes %d :max-depth %d :max-buffer-size %d :max-buffer-bytes %d :call-timeout-ms %d :ws-kalive-ms %d :ws-ping-timeout-ms %d",
		f.MaxMessageBytes, f.MaxDepth, f.MaxBufferSize, f.MaxBufferBytes, f.CallTimeout.Milliseconds(), f.KeepAlive.Milliseconds(), f.PingTimeout.Milliseconds())
	return fmt.Appendf(b, " :event-buffer-ms %d :event-buffer-size %d :max-frame-size %d :max-recv-queue-size %d :max-recv-bytes %d :on-recv-full :%s :backup-secs %d :max-msgs %d}",
		max(0, f.EventBuffer.Milliseconds()), f.EventBufferSize, f.MaxFrameSize, f.MaxRecvQueueSize, f.MaxRecvBytes, f.OnRecvFull,
		max(0, int(f.Recovery.Window.Seconds())), max(0, f.Recovery.MaxMsgs))
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
