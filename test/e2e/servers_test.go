// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// server is a running HTTP server that answers GET on any path below /m/ with
// 2,000 bytes.
type server struct {
	*process
	name string
	port int
	exe  string // the executable's name
	// keepAlive is whether HTTP/1.1 clients may send another request.
	keepAlive bool
	posts     bool // it answers POST too
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func (s *server) url(path string) string { return "http://" + s.address() + path }

func testdata(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// launch starts a server and returns once it listens on its port.
func launch(t *testing.T, s server, cmd *exec.Cmd) *server {
	t.Helper()
	s.process = start(t, cmd)
	awaitPort(t, s.process, "tcp", s.address())
	return &s
}

const nginxConfig = `
worker_processes 1;
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 12000; }
worker_rlimit_nofile 20000;
http {
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  large_client_header_buffers 4 64k;
  keepalive_timeout 3600s;
  client_max_body_size 100m;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  gzip on;
  gzip_types text/plain;
  gzip_min_length 100;
  server {
    listen 127.0.0.1:%[2]d backlog=4096;
    root %[1]s/www;
    location /m/ { default_type application/octet-stream; try_files /page.bin =404; }
    location /text/ { default_type text/plain; try_files /page.txt =404; }
    location /count { stub_status; }
    location ~ ^/echo/(?<tail>.*)$ { default_type application/octet-stream; return 200 $tail; }
    location /tiny { default_type application/octet-stream; return 200 "ok"; }
    location /gone { return 410; }
  }
}
`

// nginx serves static files with sendfile from a single worker.
func nginx(t *testing.T) *server {
	t.Helper()
	bin := program(t, "nginx", "nginx")
	dir := t.TempDir()
	port := freePort(t)
	write(t, filepath.Join(dir, "www", "page.bin"), strings.Repeat("x", 2000))
	write(t, filepath.Join(dir, "www", "page.txt"), strings.Repeat("text ", 1000))
	write(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(nginxConfig, dir, port))
	// The worker drops its rights, so it must be able to enter the folder.
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return launch(t, server{name: "nginx", port: port, exe: "nginx", keepAlive: true},
		exec.Command(bin, "-p", dir, "-c", filepath.Join(dir, "nginx.conf")))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const haproxyConfig = `
global
  maxconn 2000
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  option splice-request
  option splice-response
frontend front
  bind 127.0.0.1:%d
  default_backend back
backend back
  server nginx 127.0.0.1:%d
`

// haproxy forwards to the server behind it.
func haproxy(t *testing.T, behind *server) *server {
	t.Helper()
	port := freePort(t)
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, config, fmt.Sprintf(haproxyConfig, port, behind.port))
	return launch(t, server{name: "haproxy", port: port, exe: "haproxy", keepAlive: true},
		exec.Command(program(t, "haproxy", "haproxy"), "-db", "-f", config))
}

const apacheConfig = `
ServerRoot %[1]s
ServerName localhost
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Listen 127.0.0.1:%[2]d
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule rewrite_module %[3]s/mod_rewrite.so
LoadModule dir_module %[3]s/mod_dir.so
User www-data
Group www-data
DocumentRoot %[1]s/www
EnableSendfile On
RewriteEngine On
RewriteRule ^/m/ /page.bin
<Directory %[1]s/www>
  Require all granted
</Directory>
`

func apache(t *testing.T) *server {
	t.Helper()
	bin := program(t, "apache2", "apache2")
	dir := t.TempDir()
	port := freePort(t)
	write(t, filepath.Join(dir, "www", "page.bin"), strings.Repeat("x", 2000))
	config := filepath.Join(dir, "apache2.conf")
	write(t, config, fmt.Sprintf(apacheConfig, dir, port, "/usr/lib/apache2/modules"))
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return launch(t, server{name: "apache", port: port, exe: "apache2", keepAlive: true},
		exec.Command(bin, "-f", config, "-DFOREGROUND"))
}

func pythonServer(t *testing.T, version string) *server {
	t.Helper()
	port := freePort(t)
	return launch(t, server{name: "python-" + version[5:], port: port, exe: "python", keepAlive: version == "HTTP/1.1", posts: true},
		exec.Command(program(t, "python3", "python3"), testdata(t, "server.py"), strconv.Itoa(port), version))
}

func nodeServer(t *testing.T) *server {
	t.Helper()
	port := freePort(t)
	return launch(t, server{name: "node", port: port, exe: "node", keepAlive: true, posts: true},
		exec.Command(program(t, "node", "nodejs"), testdata(t, "server.js"), strconv.Itoa(port)))
}

func javaServer(t *testing.T) *server {
	t.Helper()
	port := freePort(t)
	return launch(t, server{name: "java", port: port, exe: "java", keepAlive: true, posts: true},
		exec.Command(program(t, "java", "default-jdk-headless"), "-Xmx128m", testdata(t, "Server.java"), strconv.Itoa(port)))
}

func goServer(t *testing.T) *server {
	t.Helper()
	return goServerOn(t, "127.0.0.1")
}

// goServerOn listens on an address of the loopback interface, or on all if host
// is empty.
func goServerOn(t *testing.T, host string) *server {
	t.Helper()
	port := freePort(t)
	s := server{name: "go", port: port, exe: "gopeer", keepAlive: true, posts: true}
	listen := fmt.Sprintf("[%s]:%d", host, port)
	if !strings.Contains(host, ":") {
		listen = fmt.Sprintf("%s:%d", host, port)
	}
	s.process = start(t, exec.Command(tools(t).peer, "serve", "-listen", listen))
	s.awaitLine("listening on", startTimeout)
	return &s
}
