// SPDX-License-Identifier: Apache-2.0

package process

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestServiceOf(t *testing.T) {
	for _, test := range []struct {
		exe  string
		args string // separated by "|"
		want string
	}{
		{"/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx -g daemon off;", "nginx"},
		{"/usr/lib/postgresql/15/bin/postgres", "postgres: walwriter ", "postgres"},
		{"/usr/bin/curl", "curl|http://localhost/", "curl"},
		{"/usr/bin/redis-check-rdb", "/usr/bin/redis-server 127.0.0.1:6379", "redis-server"},
		{"/bin/busybox", "httpd|-f", "httpd"},
		{"/bin/busybox", "sh|/srv/start.sh", "start"},
		{"", "", "comm"},
		{"", "/opt/shop|-v", "shop"},
		{"", "python3|/srv/shop.py", "shop"},

		{"/usr/bin/python3.11", "python3|/srv/shop.py|--port|80", "shop"},
		{"/usr/bin/python3.11", "python3|-u|-W|ignore|-X|dev|shop.py", "shop"},
		{"/usr/bin/python3.11", "python3|-m|http.server|8000", "http.server"},
		{"/usr/bin/python3.11", "python3|-um|http.server", "http.server"},
		{"/usr/bin/python3.11", "python3|-mhttp.server", "http.server"},
		{"/usr/bin/python3.11", "python3|-c|import time; time.sleep(9)", "python3.11"},
		{"/usr/bin/python3.11", "python3", "python3.11"},
		{"/usr/bin/python3.11", "python3|-", "python3.11"},
		{"/usr/bin/python3.11", "python3|-m", "python3.11"},
		{"/usr/bin/python3.11", "python3|/srv/shop/__main__.py", "shop"},
		{"/usr/bin/python3.11", "python3|manage.py|runserver", "cart"},
		{"/usr/bin/python3.11", "python3|/usr/bin/gunicorn|-w|4|-b|0.0.0.0:80|shop.wsgi:application", "shop"},
		{"/usr/bin/python3.11", "python3|/usr/bin/gunicorn|--name|front|shop:app", "front"},
		{"/usr/bin/python3.11", "python3|/usr/bin/gunicorn|-b|localhost:80|shop.wsgi", "shop"},
		{"/usr/bin/python3.11", "python3|/usr/bin/gunicorn|-c|conf.py", "gunicorn"},
		{"/usr/bin/python3.11", "gunicorn: worker [shop.wsgi:app]", "shop"},
		{"/usr/bin/python3.11", "gunicorn: master [shop]", "shop"},
		{"/usr/bin/python3.11", "gunicorn: worker [front-door]", "front-door"},
		{"/usr/bin/python3.11", "gunicorn: master [shop.wsgi]", "shop"},
		{"/usr/bin/python3.11", "python3|-m|uvicorn|--host|localhost:80|shop.api:create()", "shop.api"},
		{"/usr/bin/python3.11", "python3|/usr/bin/uvicorn|main:app|--port|80", "main"},
		{"/usr/bin/python3.11", "python3|/usr/bin/celery|-A|shop|worker", "shop"},
		{"/usr/bin/python3.11", "python3|/usr/bin/flask|--app|src/shop.py:app|run", "shop"},
		{"/usr/bin/python3.11", "python3|/usr/bin/streamlit|run|board.py", "board"},
		{"/usr/bin/pypy3.10", "pypy3|shop.py", "shop"},

		{"/usr/bin/node", "node|server.js", "server"},
		{"/usr/bin/node", "node|--max-old-space-size=100|-r|dotenv/config|/srv/shop/index.js", "shop"},
		{"/usr/bin/node", "node|/srv/shop/dist/index.js", "shop"},
		{"/usr/bin/node", "node|index.js", "cart"},
		{"/usr/bin/node", "node|.", "node"},
		{"/usr/bin/node", "node|--eval|setInterval(()=>{},9)", "node"},
		{"/usr/bin/node", "node|-e|1", "node"},
		{"/usr/bin/node", "npm run start", "cart"},
		{"/usr/bin/node", "node|/usr/bin/npm|run|start", "cart"},
		{"/usr/bin/node", "node|/usr/lib/node_modules/npm/bin/npm-cli.js|start", "cart"},
		{"/usr/bin/node", "node /srv/shop/app.js", "app"},
		{"/usr/bin/node", "node|--import|./telemetry.mjs|app.mjs", "app"},
		{"/usr/bin/node", "node|--env-file|.env|/srv/shop/app.js", "app"},
		{"/usr/bin/node", "node|--env-file=.env|--unhandled-rejections|warn|app.js", "app"},
		{"/usr/bin/node", "node|--inspect-port|9230|--enable-source-maps|app.js", "app"},

		{"/usr/lib/jvm/java-17/bin/java", "java|-Xmx1g|-Dkey=v|-jar|/srv/shop-1.4.2-SNAPSHOT.jar|--port=1", "shop"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-jar|/srv/log4j-2-shop.jar", "log4j-2-shop"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-jar|shop-v2.jar", "shop"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-cp|a.jar:b.jar|-Dx=y|org.shop.Main|arg", "org.shop.Main"},
		{"/usr/lib/jvm/java-17/bin/java", "java|--add-opens|java.base/java.lang=ALL-UNNAMED|@opts|org.shop.Main", "org.shop.Main"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-p|mods|-m|shop/org.shop.Main", "org.shop.Main"},
		{"/usr/lib/jvm/java-17/bin/java", "java|--module=shop", "shop"},
		{"/usr/lib/jvm/java-17/bin/java", "java|Shop.java", "Shop"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-Dspring.application.name=cart|-jar|app.jar", "cart"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-jar|app.jar|--spring.application.name=cart", "cart"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-Dspring.application.name=|-jar|/opt/shop.jar", "shop"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-jar|app.jar|--spring.application.name=", "app"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-version", "java"},
		{"/usr/lib/jvm/java-17/bin/java", "java|-jar", "java"},

		{"/usr/bin/ruby3.1", "ruby|-rbundler/setup|-I|lib|bin/shop.rb", "shop"},
		{"/usr/bin/ruby3.1", "ruby|bin/rails|server", "cart"},
		{"/usr/bin/ruby3.1", "puma 5.6.5 (tcp://0.0.0.0:3000) [shop]", "shop"},
		{"/usr/bin/ruby3.1", "ruby|-e|sleep", "ruby3.1"},
		{"/usr/bin/php8.2", "php|-S|0.0.0.0:80|-t|public|router.php", "router"},
		{"/usr/bin/php8.2", "php|-f|/srv/shop.php", "shop"},
		{"/usr/bin/php8.2", "php|-r|echo 1;", "php8.2"},
		{"/usr/bin/php8.2", "php|artisan|queue:work", "cart"},
		{"/usr/sbin/php-fpm8.2", "php-fpm: pool www", "php-fpm8.2"},
		{"/usr/bin/perl", "/usr/bin/perl|-w|-MSocket|-I|lib|/srv/shop.pl", "shop"},
		{"/usr/bin/perl", "perl|-ne|print", "perl"},
		{"/usr/bin/bash", "bash|-eo|pipefail|/srv/backup.sh", "backup"},
		{"/usr/bin/bash", "bash|+x|--rcfile|x|/srv/backup", "backup"},
		{"/usr/bin/bash", "bash|-c|curl x", "bash"},
		{"/usr/bin/dash", "sh|-ec|curl x", "dash"},
		{"/usr/bin/bash", "-bash", "bash"},
		{"/usr/bin/deno", "deno|run|-A|--config|deno.json|shop.ts", "shop"},
		{"/usr/bin/deno", "deno|shop.ts", "shop"},
		{"/usr/bin/deno", "deno|task|start", "cart"},
		{"/usr/bin/deno", "deno|repl", "deno"},
		{"/usr/bin/bun", "bun|run|--port|80|shop.ts", "shop"},
		{"/usr/bin/bun", "bun|run|start", "cart"},
		{"/usr/share/dotnet/dotnet", "dotnet|Shop.Api.dll", "Shop.Api"},
		{"/usr/share/dotnet/dotnet", "dotnet|exec|--runtimeconfig|a.json|/srv/Shop.dll", "Shop"},
		{"/usr/share/dotnet/dotnet", "dotnet|run|--project|src/Shop.csproj", "Shop"},
		{"/usr/share/dotnet/dotnet", "dotnet|--info", "dotnet"},
	} {
		args := []byte(strings.ReplaceAll(test.args, "|", "\x00") + "\x00")
		if got := serviceOf(test.exe, "comm", "/home/u/cart/src", args); got != test.want {
			t.Errorf("%s running %q: got %q, want %q", test.exe, test.args, got, test.want)
		}
	}
}

func TestServiceWithoutWorkingFolder(t *testing.T) {
	for args, want := range map[string]string{
		"node\x00index.js\x00": "index", "node\x00shop/index.js\x00": "shop", "npm run start\x00\x00": "npm",
	} {
		if got := serviceOf("/usr/bin/node", "node", "", []byte(args)); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

func TestServiceFromEnviron(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, test := range []struct{ environ, want string }{
		{"A=1\x00OTEL_SERVICE_NAME=cart\x00B=2\x00", "cart"},
		{"OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=shop%20one,c=d\x00OTEL_SERVICE_NAME=cart\x00", "cart"},
		{"OTEL_RESOURCE_ATTRIBUTES=a=b, service.name = shop%20one ,c=d\x00", "shop one"},
		{"OTEL_RESOURCE_ATTRIBUTES=service.name=50%\x00", "50%"},
		{"OTEL_SERVICE_NAME=\x00OTEL_RESOURCE_ATTRIBUTES=service.name=shop\x00", "shop"},
		{"XOTEL_SERVICE_NAME=cart\x00", ""},
		{"BIG=" + long + "OTEL_SERVICE_NAME=no\x00OTEL_SERVICE_NAME=cart\x00", "cart"},
		{"BIG=" + long + "\x00A=1\x00BIG=" + long + "\x00OTEL_SERVICE_NAME=cart\x00", "cart"},
		{"OTEL_SERVICE_NAME=unended", ""},
		{"OTEL_SERVICE_NAME=\xff\xfe\x00", "\uFFFD"},
		{"", ""},
	} {
		for _, size := range []int{128, 4096, maxArgs} {
			if got := serviceFromEnviron(strings.NewReader(test.environ), make([]byte, size)); got != test.want {
				t.Errorf("%.60q in a buffer of %d: got %q, want %q", test.environ, size, got, test.want)
			}
		}
	}
}

func FuzzServiceOf(f *testing.F) {
	f.Add("/usr/bin/python3", "/srv", []byte("python3\x00-um\x00gunicorn\x00shop:app\x00"))
	f.Add("/usr/bin/java", "", []byte("java\x00-cp\x00a\x00-m\x00/\x00"))
	f.Add("/usr/bin/node", "/", []byte("npm run start\x00\x00\x00"))
	f.Add("/bin/busybox", "..", []byte("sh\x00-eo\x00\x00../index.js"))
	f.Add("/usr/bin/dotnet", "/a", []byte("dotnet\x00run\x00--project"))
	interpreters := []string{"/python3", "/node", "/java", "/ruby", "/php", "/perl", "/bash", "/deno", "/bun", "/dotnet"}
	f.Fuzz(func(t *testing.T, exe, cwd string, args []byte) {
		for _, exe := range append(interpreters, exe) {
			name := serviceOf(exe, "comm", cwd, args)
			if len(name) > maxName || !utf8.ValidString(name) {
				t.Errorf("%s: name %q", exe, name)
			}
		}
	})
}

func FuzzServiceFromEnviron(f *testing.F) {
	f.Add([]byte("A=1\x00OTEL_SERVICE_NAME=cart\x00"), uint8(64))
	f.Add([]byte("OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=%zz\x00"), uint8(200))
	f.Fuzz(func(t *testing.T, environ []byte, size uint8) {
		// Whatever the size of the buffer, a short variable is found.
		buf := make([]byte, int(size)+32)
		serviceFromEnviron(strings.NewReader(string(environ)), buf)
		environ = append([]byte("OTEL_SERVICE_NAME=cart\x00"), environ...)
		if got := serviceFromEnviron(strings.NewReader(string(environ)), buf); got != "cart" {
			t.Errorf("got %q", got)
		}
	})
}
