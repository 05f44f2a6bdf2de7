package accounts

import (
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

func sampleState() State {
	return State{
		Owner:    StateOwner{Endpoint: "gw-1", Server: "coaps://dm.example", Identity: Digest{1}},
		Location: []string{"rd", "5a 3f"}, Version: "1.1", Lifetime: 5 * time.Minute,
		Accepted: time.Unix(1_700_000_000, 0), Unwritten: time.Hour, Objects: Digest{2}, NextMID: 65535,
		Queue: true, Observed: true,
	}
}

// disabledState is that of an account that its server has disabled for a day.
func disabledState() State {
	return State{
		Owner:    StateOwner{Endpoint: "gw-1", Server: "coaps://dm.example", Identity: Digest{1}},
		Accepted: time.Unix(1_700_000_000, 0), NextMID: 65535,
		Disabled: Disabled{Until: time.Unix(1_700_086_400, 0), For: 24 * time.Hour},
	}
}

// firstState is what version 1 wrote of sampleState, which knew no queue mode.
var firstState = unhex("8b01" + "6467772d31" + "72636f6170733a2f2f646d2e6578616d706c65" + "582001" + strings.Repeat("00", 31) +
	"82627264653561203366" + "63312e31" + "19012c" + "1a6553f100" + "190e10" + "582002" + strings.Repeat("00", 31) + "19ffff")

// A record of the version before is read: an upgrade costs no Register.
func TestStateOfVersion1IsRead(t *testing.T) {
	want := sampleState()
	want.Queue, want.Observed = false, false
	if got, err := DecodeState(firstState); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// So is one of version 2, which knew nothing of observations.
func TestStateOfVersion2IsRead(t *testing.T) {
	second := slices.Concat([]byte{0x8e, 2}, firstState[2:], []byte{0xf5, 0, 0})
	want := sampleState()
	want.Observed = false
	if got, err := DecodeState(second); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestStateOfADisabledAccount(t *testing.T) {
	want := disabledState()
	if got, err := DecodeState(encodeState(t, want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func(*State){
		"known to the server": func(s *State) { s.Location = []string{"rd"} },
		"of a version":        func(s *State) { s.Version = "1.1" },
		"in queue mode":       func(s *State) { s.Queue = true },
		"that is observed":    func(s *State) { s.Observed = true },
		"for no time":         func(s *State) { s.Disabled.For = 0 },
		"back in time":        func(s *State) { s.Disabled.For = -time.Second },
		"longer than a week":  func(s *State) { s.Disabled.For = 7*24*time.Hour + time.Second },
	} {
		state := disabledState()
		change(&state)
		if _, err := EncodeState(state); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func encodeState(t testing.TB, s State) []byte {
	t.Helper()
	data, err := EncodeState(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The stored form is a contract with every later version.
func TestStateGolden(t *testing.T) {
	const zeros = "00000000000000000000000000000000000000000000000000000000000000"
	const want = "8f03" + "6467772d31" + "72636f6170733a2f2f646d2e6578616d706c65" + "582001" + zeros +
		"82627264653561203366" + "63312e31" + "19012c" + "1a6553f100" + "190e10" + "582002" + zeros + "19ffff" + "f5" + "00" + "00" + "f5"
	if got := hex.EncodeToString(encodeState(t, sampleState())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := State{
			Owner: StateOwner{
				Endpoint: rapid.StringN(1, 64, 255).Draw(t, "endpoint"), Server: rapid.StringN(1, 64, 255).Draw(t, "server"),
				Identity: Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "identity")),
			},
			Location:  rapid.SliceOfN(rapid.StringN(1, 20, 60), 1, 16).Draw(t, "location"),
			Version:   rapid.SampledFrom([]string{"1.0", "1.1", "1.2"}).Draw(t, "version"),
			Lifetime:  time.Duration(rapid.Int64Range(0, 1<<32).Draw(t, "lifetime")) * time.Second,
			Accepted:  time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "accepted"), 0),
			Unwritten: time.Duration(rapid.IntRange(0, 1<<20).Draw(t, "unwritten")) * time.Second,
			NextMID:   rapid.Uint16().Draw(t, "mid"),
			Queue:     rapid.Bool().Draw(t, "queue"),
			Observed:  rapid.Bool().Draw(t, "observed"),
		}
		data, err := EncodeState(state)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeState(data); err != nil || !reflect.DeepEqual(got, state) {
			t.Fatalf("%+v, %v; want %+v", got, err, state)
		}
	})
}

func TestStateThatCannotBeIsNotEncoded(t *testing.T) {
	for name, change := range map[string]func(*State){
		"no endpoint":       func(s *State) { s.Owner.Endpoint = "" },
		"no server":         func(s *State) { s.Owner.Server = "" },
		"no location":       func(s *State) { s.Location = nil },
		"many segments":     func(s *State) { s.Location = slices.Repeat([]string{"x"}, 17) },
		"long location":     func(s *State) { s.Location = slices.Repeat([]string{strings.Repeat("x", 200)}, 6) },
		"no version":        func(s *State) { s.Version = "" },
		"negative lifetime": func(s *State) { s.Lifetime = -time.Second },
		"large":             func(s *State) { s.Owner.Server = strings.Repeat("x", MaxState) },
		"no text":           func(s *State) { s.Owner.Server = "\xff" },
	} {
		t.Run(name, func(t *testing.T) {
			state := sampleState()
			change(&state)
			var refused *StateError
			if data, err := EncodeState(state); !errors.As(err, &refused) || data != nil {
				t.Errorf("%x, %v", data, err)
			}
		})
	}
}

// Every byte that is another, and every end that is missing, is noticed here or is
// another state that is possible: the store's checksum is what finds accidents.
func TestStateWithAnyByteChanged(t *testing.T) {
	for _, state := range []State{sampleState(), disabledState()} {
		withAnyByteChanged(t, encodeState(t, state))
	}
}

func withAnyByteChanged(t *testing.T, data []byte) {
	t.Helper()
	for i := range data {
		if _, err := DecodeState(data[:i]); err == nil {
			t.Errorf("%d of %d bytes are taken for a state", i, len(data))
		}
		for _, flip := range []byte{1, 0x20, 0x80} {
			other := slices.Clone(data)
			other[i] ^= flip
			if state, err := DecodeState(other); err == nil && string(encodeState(t, state)) != string(other) {
				t.Errorf("byte %d: accepted, but not what EncodeState writes", i)
			}
		}
	}
	if _, err := DecodeState(append(data, 0)); err == nil {
		t.Error("a byte too many is accepted")
	}
}

func TestStateOfALaterVersionIsToldFromDamage(t *testing.T) {
	data := encodeState(t, sampleState())
	later := slices.Clone(data)
	later[1] = 4
	for name, tt := range map[string]struct {
		data  []byte
		newer bool
	}{
		"same form":        {later, true},
		"another form":     {unhex("82" + "04" + "a0"), true},
		"an impossible 0":  {slices.Concat(data[:1], []byte{0}, data[2:]), false},
		"garbage":          {[]byte("hello"), false},
		"nothing":          {nil, false},
		"version is text":  {unhex("82" + "6132" + "00"), false},
		"this, other form": {unhex("82" + "03" + "00"), false},
		"version 1 as 2":   {slices.Concat(firstState[:1], []byte{2}, firstState[2:]), false},
		"version 3 as 1":   {slices.Concat(data[:1], []byte{1}, data[2:]), false},
		"version 1 as 3":   {slices.Concat(firstState[:1], []byte{3}, firstState[2:]), false},
		"version 3 as 2":   {slices.Concat(data[:1], []byte{2}, data[2:]), false},
	} {
		err := CheckRecord("state-1", tt.data)
		var refused *StateError
		if !errors.As(err, &refused) || IsNewer(err) != tt.newer {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOwnerIsOneAccountAndEndpoint(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	base := pskAccount(t, messages.ManagementPeer(1))
	same := base
	same.Credentials.Key = messages.Secret("another key, 16B")
	if OwnerOf("gw", base) != OwnerOf("gw", same) {
		t.Error("the key counts: its digest would be on the disk")
	}
	identity, mode, address := base, base, base
	identity.Credentials.Identity = "other"
	mode.Credentials.Mode = messages.SecurityNoSec
	address.URI.Host = "other.example"
	for name, other := range map[string]StateOwner{
		"endpoint": OwnerOf("other", base), "identity": OwnerOf("gw", identity), "mode": OwnerOf("gw", mode),
		"server": OwnerOf("gw", address), "certificate": OwnerOf("gw", x509Account(t, messages.ManagementPeer(1), set)),
	} {
		if other == OwnerOf("gw", base) {
			t.Errorf("%s does not count", name)
		}
	}
}

func TestDigestOfObjectsTellsThemApart(t *testing.T) {
	lists := [][]messages.ObjectEntry{
		nil, {{ID: 1}}, {{ID: 1, Instances: []uint16{0}}}, {{ID: 1, Instances: []uint16{0, 1}}},
		{{ID: 1, Version: "1.1"}}, {{ID: 1}, {ID: 3}}, {{ID: 1, Instances: []uint16{3}}},
	}
	seen := map[Digest]int{}
	for i, list := range lists {
		if j, ok := seen[DigestObjects(list)]; ok {
			t.Errorf("%v and %v have one digest", lists[j], list)
		}
		seen[DigestObjects(list)] = i
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(encodeState(f, sampleState()))
	f.Add(encodeState(f, disabledState()))
	f.Add(firstState)
	f.Add(unhex("8203a0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := DecodeState(data)
		if err != nil {
			var refused *StateError
			if !errors.As(err, &refused) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := EncodeState(state)
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		if version, _ := versionOf(data); version == stateVersion && string(again) != string(data) {
			t.Fatal("accepted, but not what EncodeState writes")
		}
		if same, err := DecodeState(again); err != nil || !reflect.DeepEqual(same, state) {
			t.Fatalf("written anew it is %+v, %v", same, err)
		}
	})
}
