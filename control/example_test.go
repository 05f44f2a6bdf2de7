package control_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
)

// The API comes before Start, which says when it cannot listen.
func Example() {
	client, err := holdfast.New(holdfast.Config{
		Endpoint: "gw-0001",
		Server:   &holdfast.Account{URI: "coap://127.0.0.1:5683", Security: holdfast.SecurityNoSec},
	})
	if err != nil {
		panic(err)
	}
	api, err := control.Attach(client, control.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		panic(err) // not an address of this machine
	}
	err = client.Start(context.Background())
	switch {
	case errors.Is(err, control.ErrListen):
		fmt.Println("the address is taken:", err)
	case err != nil:
		panic(err)
	}
	defer client.Close(context.Background()) // ends the API as well
	fmt.Println("ask http://" + api.Addr() + "/v1/explain?format=text")
}
