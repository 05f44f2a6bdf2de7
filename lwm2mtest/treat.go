package lwm2mtest

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
)

// Treatment is what the server does with a notification that has arrived.
type Treatment uint8

// The treatments.
const (
	TreatAccept Treatment = iota // it is delivered
	TreatIgnore                  // as if it had not arrived: a resend is asked about again
	TreatReset                   // answered RST, which ends the observation
)

// Treat asks a function from now on what is done with each notification that arrives; of one in
// several blocks it sees the first. It runs under the server's lock, and must neither wait
// nor call the server. Nil acknowledges all again.
func (o *ObserveRelation) Treat(treat func(Notification) Treatment) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.treat = treat
}

// treatment asks what is done with a notification that has arrived. The lock is held.
func (o *ObserveRelation) treatment(m coap.Message) Treatment {
	if o.treat == nil || o.ignoring {
		return TreatAccept
	}
	return o.treat(o.notification(m, m.Payload, time.Now()))
}
