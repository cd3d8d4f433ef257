// Webhook posts the texts that it gets over HTTP, such as the results of builds, to the room. It answers with
// the ID of the message when the message is on the server's disk. Direct messages to it go to its log.
//
//	export WEBHOOK_TOKEN=SECRET
//	webhook -key ~/.ssh/ci -known-hosts ~/.ssh/known_hosts -listen 127.0.0.1:8080 ci@chat.example.org:2222
//	curl -f -H "Authorization: Bearer $WEBHOOK_TOKEN" --data "build 7 failed" http://127.0.0.1:8080/
package main

import (
	"context"
	"crypto/subtle"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/examples/client"
)

const (
	maxBody  = 16 << 10 // bytes
	patience = 10 * time.Second
)

type webhook struct {
	room    *client.Client
	token   string
	posts   atomic.Int64
	waiting sync.Map // by REF: channels for the ACK
}

// ServeHTTP answers when the room has answered, unless [http.TimeoutHandler] is faster.
func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := []byte(r.Header.Get("Authorization"))
	if subtle.ConstantTimeCompare(given, []byte("Bearer "+h.token)) != 1 {
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	ref, answer := strconv.FormatInt(h.posts.Add(1), 10), make(chan client.Frame, 1)
	h.waiting.Store(ref, answer)
	defer h.waiting.Delete(ref)
	if err := h.room.Send(client.Frame{CMD: "SEND", Msg: string(text), Ref: ref}); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	select {
	case <-r.Context().Done():
	case ack := <-answer:
		if ack.Type == "FAIL" {
			http.Error(w, ack.Code+": "+ack.Reason, http.StatusUnprocessableEntity)
			return
		}
		fmt.Fprintln(w, ack.ID)
	}
}

func (h *webhook) handle(f client.Frame) error {
	if answer, ok := h.waiting.LoadAndDelete(f.Ref); ok && f.Of == "SEND" {
		answer.(chan client.Frame) <- f
	}
	if f.Direct() {
		log.Printf("%s writes: %q", f.From, f.Msg)
	}
	return nil
}

func main() {
	key := flag.String("key", "", "`FILE` with the webhook's private key")
	known := flag.String("known-hosts", "", "`FILE` with the server's host key")
	listen := flag.String("listen", "127.0.0.1:8080", "`ADDRESS` for HTTP")
	flag.Parse()
	room, err := client.New(flag.Arg(0), *key, *known)
	if err != nil {
		log.Fatal(err)
	}
	h := &webhook{room: room, token: os.Getenv("WEBHOOK_TOKEN")}
	if len(h.token) < 16 {
		log.Fatal("WEBHOOK_TOKEN needs 16 characters or more")
	}
	mux := http.NewServeMux()
	mux.Handle("POST /{$}", http.TimeoutHandler(h, patience, "no answer in time: the message may or may not be sent\n"))
	server := &http.Server{
		Addr: *listen, Handler: mux, MaxHeaderBytes: 8 << 10,
		ReadTimeout: patience, WriteTimeout: 2 * patience, IdleTimeout: time.Minute,
	}
	go func() { log.Fatal(server.ListenAndServe()) }()
	client.Forever(func() error { return room.Session(context.Background(), "", h.handle) })
}
