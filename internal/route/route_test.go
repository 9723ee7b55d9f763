// SPDX-License-Identifier: Apache-2.0

package route

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestRoute(t *testing.T) {
	for path, want := range map[string]string{
		"/":                     "/",
		"":                      "",
		"*":                     "*",
		"example.com:443":       "",
		"?x=/":                  "",
		"/index.html":           "/index.html",
		"/api/users":            "/api/users",
		"/api/users/":           "/api/users",
		"//api///users":         "/api/users",
		"/api/users?id=7":       "/api/users",
		"http://h:80/api/7?x=1": "/api/{id}",
		"HTTPS://h":             "/",
		"/api/users/123/orders": "/api/users/{id}/orders",
		"/api/users/-5":         "/api/users/{id}",
		"/orders/12.50":         "/orders/{id}",
		"/user-1234/x":          "/{id}/x",
		"/v1/things":            "/v1/things",
		"/api/v2.1/things":      "/api/v2.1/things",
		"/api/1.0/things":       "/api/1.0/things",
		"/hosts/10.0.0.1":       "/hosts/{id}",
		"/oauth2/authorize":     "/oauth2/authorize",
		"/o/3f2504e0-4f89-41d3-9a0c-0305e82c3301/x":                    "/o/{uuid}/x",
		"/o/3F2504E0-4F89-41D3-9A0C-0305E82C3301":                      "/o/{uuid}",
		"/o/3f2504e04f8941d39a0c0305e82c3301":                          "/o/{hash}",
		"/commit/8f3a2b1c":                                             "/commit/{hash}",
		"/facade/decade":                                               "/facade/decade",
		"/o/507f1f77bcf86cd799439011":                                  "/o/{hash}",
		"/o/01ARZ3NDEKTSV4RRFFQ69G5FAV":                                "/o/{token}",
		"/watch/dQw4w9WgXcQ":                                           "/watch/{token}",
		"/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN": "/t/{token}",
		"/log/2026-11-22":                                              "/log/{date}",
		"/log/20261122":                                                "/log/{date}",
		"/log/20269922":                                                "/log/{id}",
		"/log/2026-11-22T10:00:00Z":                                    "/log/{date}",
		"/blog/2026/11/22":                                             "/blog/{id}/{id}/{id}",
		"/u/ann@example.com/mail":                                      "/u/{email}/mail",
		"/u/ann%40example.com":                                         "/u/{email}",
		"/blog/how-to-boil-an-egg":                                     "/blog/{slug}",
		"/getUserProfileInformation":                                   "/getUserProfileInformation",
		"/search/hello%20world":                                        "/search/{*}",
		"/search/%zz":                                                  "/search/{*}",
		"/search/%ff":                                                  "/search/{*}",
		"/search/\xff":                                                 "/search/{*}",
		"/a/{id}":                                                      "/a/{*}",
		"/Users('ann')/x":                                              "/{*}/x",
		"/caf%C3%A9/menu":                                              "/café/menu",
		"/café/menü":                                                   "/café/menü",
		"/shop;jsessionid=1A2B/cart":                                   "/shop/cart",
		"/jobs/17:cancel":                                              "/jobs/{id}:cancel",
		"/static/app.3f2a1b9c.js":                                      "/static/app.{hash}.js",
		"/static/main-8f3a2b1c.css":                                    "/static/main-{hash}.css",
		"/static/8f3a2b1c.css":                                         "/static/{hash}.css",
		"/img/1234.png":                                                "/img/{id}.png",
		"/favicon.ico":                                                 "/favicon.ico",
		"/a/../../etc/passwd":                                          "/a/../../etc/passwd",
		"/odata/$metadata":                                             "/odata/$metadata",
		"/odata/$meta(1)":                                              "/odata/{*}",
		"/@vite/client":                                                "/@vite/client",
		"/@ann/post":                                                   "/{*}/post",
		"/es-419/about":                                                "/{locale}/about",
		"/pt-BR/about":                                                 "/{locale}/about",
		"/pt-br/about":                                                 "/{locale}/about",
		"/zh-Hant-TW/about":                                            "/{locale}/about",
		"/docs/en_US/about":                                            "/docs/{locale}/about",
		"/de/about":                                                    "/{locale}/about",
		"/api/de":                                                      "/api/de",
		"/id/about":                                                    "/id/about",
		"/to-do/list":                                                  "/to-do/list",
		"/404.html":                                                    "/404.html",
		"/1404.html":                                                   "/{id}.html",
		"/commit/8f3a2b1":                                              "/commit/{hash}",
		"/commit/abcd1ef":                                              "/commit/{hash}",
		"/dists/stable/main/binary-x86_64/x":                           "/dists/stable/main/binary-x86_64/x",
		"/hash/sha256":                                                 "/hash/sha256",
		"/hash/sha2561":                                                "/hash/{id}",
		"/abc123":                                                      "/{id}",
		"/images/windowsserver123":                                     "/images/windowsserver123",
		"/customers/subscription-upgrade2":                             "/customers/subscription-upgrade2",
		"/x/" + strings.Repeat("y", 41):                                "/x/{token}",
		strings.Repeat("/a", 20):                                       strings.Repeat("/a", 12) + "/{*}",
		"/" + strings.Repeat("y", 1<<20):                               "/{*}",
		"/a/" + strings.Repeat("/", 1<<20):                             "/a/{*}",
	} {
		if got := New(100).Route([]byte(path)); got != want {
			t.Errorf("%.80q: %q, want %q", path, got, want)
		}
	}
}

// shapes are the paths of a service with much in them. Each makes another path
// of every n.
func shapes() []func(n int) string {
	sum := func(n int) []byte { h := sha256.Sum256([]byte(fmt.Sprint(n))); return h[:] }
	word := func(n int) string {
		b := make([]byte, 0, 8)
		for n += 26; n > 0; n /= 26 {
			b = append(b, byte('a'+n%26))
		}
		return string(b)
	}
	return []func(n int) string{
		func(n int) string { return fmt.Sprintf("/api/v1/users/%d", n) },
		func(n int) string { return fmt.Sprintf("/api/v1/users/%d/orders/%d", n, n*7) },
		func(n int) string { return "/api/v1/objects/" + hex.EncodeToString(sum(n)) },
		func(n int) string {
			h := hex.EncodeToString(sum(n))
			return "/o/" + h[:8] + "-" + h[:4] + "-" + h[4:8] + "-" + h[8:12] + "-" + h[:12]
		},
		func(n int) string { return "/t/" + base64.RawURLEncoding.EncodeToString(sum(n)) },
		func(n int) string { return "/u/" + word(n) + "@example.com/inbox" },
		func(n int) string { return "/people/" + word(n) + "/profile" },
		func(n int) string { return "/wiki/" + word(n) },
		func(n int) string { return "/img/" + word(n) + ".png" },
		func(n int) string { return "/" + word(n) + "/" + word(n*3) + "/" + word(n*5) },
		func(n int) string { return "/static/app." + hex.EncodeToString(sum(n)[:5]) + ".js?v=" + word(n) },
		func(n int) string { return fmt.Sprintf("/log/2026-%02d-%02d/part-%05d", n%12+1, n%28+1, n) },
		func(n int) string { return "/q/" + word(n) + "%20" + word(n*2) },
		func(n int) string { return fmt.Sprintf("/search?q=%d", n) },
	}
}

func TestManyPathsFewRoutes(t *testing.T) {
	const paths, limit = 100_000, 99
	all := shapes()
	router, again := New(limit), New(limit)
	routes := map[string]int{}
	for n := range paths {
		path := []byte(all[n%len(all)](n / len(all)))
		route := router.Route(path)
		routes[route]++
		if other := again.Route(path); other != route {
			t.Fatalf("%s is %s to one router and %s to the other", path, route, other)
		}
	}
	t.Logf("%d paths, %d routes", paths, len(routes))
	if len(routes) > limit {
		t.Errorf("%d paths have %d routes", paths, len(routes))
	}
	for _, route := range []string{
		"/api/v1/users/{id}", "/api/v1/users/{id}/orders/{id}", "/api/v1/objects/{hash}", "/o/{uuid}", "/t/{token}",
		"/u/{email}/inbox", "/static/app.{hash}.js", "/log/{date}/{id}", "/q/{*}", "/search",
	} {
		if routes[route] < paths/len(all)/2 {
			t.Errorf("%s has %d of %d paths", route, routes[route], paths/len(all))
		}
	}
	t.Log(routes)
}

// TestRandomPathsStayBounded asks for what no service has.
func TestRandomPathsStayBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	router := New(50)
	routes := map[string]bool{}
	for range 50_000 {
		path := make([]byte, rng.IntN(40))
		for i := range path {
			path[i] = "/abcABC019-._~%:é;{}"[rng.IntN(21)]
		}
		routes[router.Route(append([]byte{'/'}, path...))] = true
	}
	if len(routes) > 50 {
		t.Errorf("%d routes", len(routes))
	}
	if n := count(&router.root); n > 50*(maxDepth+1) {
		t.Errorf("the tree has %d nodes", n)
	}
	if seen := seen(&router.root); seen != router.counted || seen > maxCounted {
		t.Errorf("%d literals are counted, %d by the router's count", seen, router.counted)
	}
}

// seen returns how many literals the places count.
func seen(n *node) int {
	sum := len(n.recurring.seen)
	for _, child := range n.children {
		sum += seen(child)
	}
	return sum
}

func count(n *node) int {
	sum := 1
	for _, child := range n.children {
		sum += count(child)
	}
	return sum
}

// TestNamesBecomeWildcard shows the learning in one place, and that its
// neighbours keep their names.
func TestNamesBecomeWildcard(t *testing.T) {
	router := New(200)
	for i := range 100 {
		router.Route([]byte("/people/" + strings.Repeat("a", i%10+1) + string(rune('a'+i%26)) + "/profile"))
	}
	for path, want := range map[string]string{
		"/people/zoe/profile": "/people/{*}/profile",
		"/people/17/profile":  "/people/{id}/profile",
		"/about":              "/about",
	} {
		if got := router.Route([]byte(path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	router := New(64)
	all := shapes()
	var wg sync.WaitGroup
	var mu sync.Mutex
	routes := map[string]bool{}
	for w := range 8 {
		wg.Go(func() {
			for n := range 5000 {
				route := router.Route([]byte(all[(n+w)%len(all)](n)))
				mu.Lock()
				routes[route] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(routes) > 64 {
		t.Errorf("%d routes", len(routes))
	}
}

func TestRepeatedPathAllocatesNothing(t *testing.T) {
	router := New(100)
	path := []byte("/api/users/123/orders?full=1")
	for range keptVisits {
		router.Route(path)
	}
	if n := testing.AllocsPerRun(100, func() { router.Route(path) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRoute(f *testing.F) {
	for _, shape := range shapes() {
		f.Add(shape(3) + "\n" + shape(4))
	}
	f.Add("/B\n/A0\n/A\n/0\nA0\n/A\n/0\n/N-A\n/ \n/`\n/0//N-A\n/ \n/")
	f.Add("*\n//\n/%\n/%zz/..\n/\xff\nhttp://\n/;/:/a:b/.js")
	f.Fuzz(func(t *testing.T, lines string) {
		router, again := New(8), New(8)
		routes := map[string]bool{}
		for path := range strings.SplitSeq(lines, "\n") {
			route := router.Route([]byte(path))
			routes[route] = true
			if !utf8.ValidString(route) || len(route) > 3*maxLen+maxDepth*16 {
				t.Errorf("%q has the route %q", path, route)
			}
			if other := again.Route([]byte(path)); other != route {
				t.Errorf("%q is %q and %q", path, route, other)
			}
		}
		// The limit is of routes; "*" and "" are none.
		delete(routes, "")
		delete(routes, "*")
		if len(routes) > 8 {
			t.Errorf("routes %v", routes)
		}
	})
}

func BenchmarkRepeated(b *testing.B) {
	router := New(100)
	path := []byte("/api/v1/users/123/orders?full=1")
	b.ReportAllocs()
	for b.Loop() {
		router.Route(path)
	}
}

func BenchmarkRepeatedParallel(b *testing.B) {
	router := New(100)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		path := []byte("/api/v1/users/123/orders?full=1")
		for pb.Next() {
			router.Route(path)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	router := New(100)
	paths := make([][]byte, 1<<14)
	for i := range paths {
		paths[i] = fmt.Appendf(nil, "/api/v1/users/%d/orders", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		router.Route(paths[i%len(paths)])
	}
}
