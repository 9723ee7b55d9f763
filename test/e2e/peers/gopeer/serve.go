// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address or path")
	network := flags.String("network", "tcp", "tcp or unix")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen(*network, *listen)
	if err != nil {
		return err
	}
	fmt.Println("listening on", l.Addr())
	server := &http.Server{Handler: handler(), ErrorLog: log.New(io.Discard, "", 0), MaxHeaderBytes: 1 << 20}
	return server.Serve(l)
}

// page is the body of every path that is not named in handler.
var page = bytes.Repeat([]byte("x"), 2000)

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", status)
	mux.HandleFunc("/slow/{ms}", slow)
	mux.HandleFunc("/download/{bytes}", download)
	mux.HandleFunc("/upload/{name}", upload)
	mux.HandleFunc("/chunked/{chunks}", chunked)
	mux.HandleFunc("/upgrade", upgrade)
	mux.HandleFunc("/hints", hints)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		// A client that went away needs no answer.
		_, _ = w.Write(page)
	})
	return mux
}

// drain reads the request's body to its end. Its trailers are there afterwards.
func drain(r *http.Request) int64 {
	// A client that went away ends the body early, which its length shows.
	n, _ := io.Copy(io.Discard, r.Body)
	return n
}

func number(r *http.Request, name string) int {
	n, err := strconv.Atoi(r.PathValue(name))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// status answers with the status that the path names and no body.
func status(w http.ResponseWriter, r *http.Request) {
	drain(r)
	w.WriteHeader(max(200, number(r, "code")))
}

// slow waits for the milliseconds that the path names before it answers.
func slow(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(number(r, "ms")) * time.Millisecond)
	_, _ = w.Write(page)
}

// download sends as many bytes as the path names, with a Content-Length.
func download(w http.ResponseWriter, r *http.Request) {
	size := number(r, "bytes")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	block := bytes.Repeat([]byte("d"), 64<<10)
	for size > 0 {
		n := min(size, len(block))
		if _, err := w.Write(block[:n]); err != nil {
			return
		}
		size -= n
	}
}

// upload answers with the number of bytes that it got.
func upload(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintln(w, drain(r))
}

// chunked answers in chunks of 100 bytes, each flushed, and with a trailer.
func chunked(w http.ResponseWriter, r *http.Request) {
	n := drain(r)
	w.Header().Set("Trailer", "X-Got")
	for range number(r, "chunks") {
		_, _ = io.WriteString(w, strings.Repeat("c", 100))
		w.(http.Flusher).Flush()
	}
	w.Header().Set("X-Got", fmt.Sprint(n, r.Trailer))
}

// hints sends 103 Early Hints before its answer.
func hints(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	time.Sleep(50 * time.Millisecond)
	_, _ = w.Write(page)
}

// upgrade switches to another protocol, which sends every byte back.
func upgrade(w http.ResponseWriter, _ *http.Request) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
	_, _ = io.Copy(conn, buf)
}
