package coapresend

import (
	"math"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// Defaults of the transmission parameters (RFC 7252 section 4.8).
const (
	DefaultAckTimeout      = 2 * time.Second
	DefaultAckRandomFactor = 1.5
	DefaultMaxRetransmit   = 4
	DefaultNStart          = 1
)

// MaxLatency is MAX_LATENCY, the longest that a datagram is expected to take
// (RFC 7252 section 4.8.2).
const MaxLatency = 100 * time.Second

// Defaults of the declared limits.
const (
	DefaultMaxQueue     = 64
	DefaultMaxBody      = 64 << 10
	DefaultBlockSize    = 1024
	DefaultDedupEntries = 128
)

// Limits that are not configured.
const (
	maxUploads        = 4  // bodies of the peer that are being collected at a time
	maxBodies         = 4  // replies of ours that are kept for their later blocks
	maxSeparate       = 8  // separate responses that wait for the one before
	maxChanges        = 3  // how often a body may change while it is fetched
	sweepsPerLifetime = 16 // sweeps within EXCHANGE_LIFETIME, at most

	// These keep the derived times below the 292 years of a time.Duration.
	maxAckTimeout      = time.Hour
	maxAckRandomFactor = 10
	maxMaxRetransmit   = 16
)

// Config has the parameters of one link. The zero value of a field stands for
// its default.
type Config struct {
	Peer  messages.Peer
	Epoch messages.Epoch // inputs of any other epoch are dropped
	// FirstMID is the message ID to begin with, where the links of a peer before
	// this one have used IDs; nil to draw one.
	FirstMID *uint16

	AckTimeout      time.Duration // ACK_TIMEOUT, 2 s; at most 1 h
	AckRandomFactor float64       // ACK_RANDOM_FACTOR, 1.5; 1 to 10
	MaxRetransmit   int           // MAX_RETRANSMIT, 4; at most 16; negative for no resends
	NStart          int           // NSTART, 1; confirmable messages in flight at a time

	MaxQueue     int // requests of ours that may wait, 64
	MaxBody      int // bytes of a body that is collected from blocks, 64 KiB
	BlockSize    int // bytes of the largest block that we send, 1024; a power of two from 16
	DedupEntries int // confirmable messages of the peer that are remembered, 128; a quarter as many others besides

	// ClientFirst drops requests of the peer until one of ours has been
	// answered with success, so that somebody who forges the peer's address
	// without seeing our tokens gets nowhere. A request that merely overtook
	// the answer is not lost: there is no deduplication entry for it, so that
	// it counts as new when the peer resends it.
	ClientFirst bool

	// StreamPaths are the paths, such as "/5/0/0", whose handler takes
	// request bodies part by part, as messages.InboundBlock and without a
	// size limit. The slice is not written to and may be shared.
	StreamPaths []string
}

// withDefaults returns the configuration with every field in its range.
func (c Config) withDefaults() Config {
	c.AckTimeout = min(orDefault(c.AckTimeout, DefaultAckTimeout), maxAckTimeout)
	if c.MaxRetransmit == 0 {
		c.MaxRetransmit = DefaultMaxRetransmit
	}
	c.MaxRetransmit = min(c.MaxRetransmit, maxMaxRetransmit)
	if !(c.AckRandomFactor >= 1) { // also when it is no number
		c.AckRandomFactor = DefaultAckRandomFactor
	}
	c.AckRandomFactor = min(c.AckRandomFactor, maxAckRandomFactor)
	c.NStart = orDefault(c.NStart, DefaultNStart)
	c.MaxQueue = orDefault(c.MaxQueue, DefaultMaxQueue)
	c.MaxBody = orDefault(c.MaxBody, DefaultMaxBody)
	c.BlockSize = orDefault(c.BlockSize, DefaultBlockSize)
	c.DedupEntries = orDefault(c.DedupEntries, DefaultDedupEntries)
	return c
}

func orDefault[T int | time.Duration](v, preset T) T {
	if v <= 0 {
		return preset
	}
	return v
}

// MaxTransmitSpan returns MAX_TRANSMIT_SPAN, the longest time from the first
// transmission of a confirmable message to its last: 45 s by default (RFC 7252
// section 4.8.2).
func (c Config) MaxTransmitSpan() time.Duration {
	c = c.withDefaults()
	return c.scale(1<<c.resends() - 1)
}

// MaxTransmitWait returns MAX_TRANSMIT_WAIT, the longest time from the first
// transmission of a confirmable message until the sender gives up: 93 s by
// default (RFC 7252 section 4.8.2).
func (c Config) MaxTransmitWait() time.Duration {
	c = c.withDefaults()
	return c.scale(1<<(c.resends()+1) - 1)
}

// ExchangeLifetime returns EXCHANGE_LIFETIME, the time from the first
// transmission of a confirmable message until its message ID can be used
// again: 247 s by default (RFC 7252 section 4.8.2).
func (c Config) ExchangeLifetime() time.Duration {
	return c.MaxTransmitSpan() + 2*MaxLatency + c.processingDelay()
}

// NonLifetime returns NON_LIFETIME, the same for a non-confirmable message:
// 145 s by default (RFC 7252 section 4.8.2).
func (c Config) NonLifetime() time.Duration {
	return c.MaxTransmitSpan() + MaxLatency
}

// processingDelay is PROCESSING_DELAY: the time within which a confirmable
// message is acknowledged. RFC 7252 section 4.8.2 sets it to ACK_TIMEOUT.
func (c Config) processingDelay() time.Duration { return c.withDefaults().AckTimeout }

// remembered is how many messages of a kind are remembered. Each kind has room
// of its own, so that neither crowds out the other.
func (c Config) remembered(confirmable bool) int {
	if confirmable {
		return c.DedupEntries
	}
	return max(c.DedupEntries/4, 1)
}

// ackDelay is how long a handler may take before a request is acknowledged
// without its response: half of what the peer grants, to leave the ACK time to
// travel.
func (c Config) ackDelay() time.Duration { return c.processingDelay() / 2 }

// resends is how often a message is sent again.
func (c Config) resends() int { return max(c.MaxRetransmit, 0) }

// scale returns ACK_TIMEOUT * times * ACK_RANDOM_FACTOR.
func (c Config) scale(times int) time.Duration {
	return time.Duration(math.Round(float64(c.AckTimeout) * float64(times) * c.AckRandomFactor))
}

// szx is the size exponent of BlockSize (RFC 7959 section 2.2).
func (c Config) szx() uint8 { return coap.SZXForSize(c.BlockSize) }
