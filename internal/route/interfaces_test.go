// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// interfaces are the templates of well-known ones, with {n} a number, {w} a name, {u}
// a UUID.
var interfaces = map[string]string{
	"prometheus": `/api/v1/query /api/v1/query_range /api/v1/query_exemplars /api/v1/format_query /api/v1/series /api/v1/labels
		/api/v1/label/{w}/values /api/v1/targets /api/v1/targets/metadata /api/v1/rules /api/v1/alerts /api/v1/alertmanagers
		/api/v1/metadata /api/v1/status/config /api/v1/status/flags /api/v1/status/runtimeinfo /api/v1/status/buildinfo
		/api/v1/status/tsdb /api/v1/status/walreplay /api/v1/write /metrics /-/healthy /-/ready /-/reload /graph`,
	"shop": `/api/users /api/users/{n} /api/orders /api/orders/{n} /api/carts /api/carts/{u} /api/products /api/products/{n}
		/api/categories /api/payments /api/payments/{u} /api/shipments /api/invoices /api/invoices/{n} /api/coupons
		/api/reviews /api/search /api/suggest /api/wishlists /api/addresses /api/sessions /api/login /api/logout
		/api/stores /api/stock /api/prices /api/returns /api/banners /health /metrics`,
	"kubernetes": `/api/v1/nodes /api/v1/nodes/{w} /api/v1/namespaces /api/v1/pods /api/v1/services /api/v1/events /api/v1/secrets
		/api/v1/configmaps /api/v1/endpoints /api/v1/persistentvolumes /api/v1/persistentvolumeclaims /api/v1/serviceaccounts
		/api/v1/resourcequotas /api/v1/limitranges /api/v1/replicationcontrollers /apis/apps/v1/deployments /apis/apps/v1/replicasets
		/apis/apps/v1/statefulsets /apis/apps/v1/daemonsets /apis/batch/v1/jobs /apis/batch/v1/cronjobs
		/apis/networking.k8s.io/v1/ingresses /apis/policy/v1/poddisruptionbudgets /apis/storage.k8s.io/v1/storageclasses
		/apis/storage.k8s.io/v1/csinodes /apis/coordination.k8s.io/v1/leases /healthz /livez /readyz /version /openapi/v2`,
	"rpc": `/twirp/shop.Cart/Add /twirp/shop.Cart/Remove /twirp/shop.Cart/List /twirp/shop.Cart/Clear /twirp/shop.Cart/Checkout
		/twirp/shop.Cart/Merge /twirp/shop.Cart/Share /twirp/shop.Cart/Save /twirp/shop.Cart/Restore /twirp/shop.Cart/Price
		/twirp/shop.Cart/Tax /twirp/shop.Cart/Ship /twirp/shop.Cart/Gift /twirp/shop.Cart/Note`,
}

// fill makes a path of a template, and of the template what the route should be.
func fill(template string, r *rand.Rand) (path, want string) {
	path = strings.ReplaceAll(template, "{n}", fmt.Sprint(r.IntN(1_000_000)))
	path = strings.ReplaceAll(path, "{u}", fmt.Sprintf("%08x-1111-4222-8333-%012x", r.Uint32(), r.Uint64()>>16))
	for strings.Contains(path, "{w}") {
		w := ""
		for range 4 + r.IntN(8) {
			w += string(rune('a' + r.IntN(26)))
		}
		path = strings.Replace(path, "{w}", w, 1)
	}
	want = strings.NewReplacer("{n}", "{id}", "{u}", "{uuid}", "{w}", "{*}").Replace(template)
	return path, want
}

// TestInterfaces asks well-known interfaces, of fewer than 35 routes each
// with the agent's limit of 100, each route as often as the others.
func TestInterfaces(t *testing.T) {
	for name, text := range interfaces {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			router := New(100)
			templates := strings.Fields(text)
			routes, wrong, late := map[string]int{}, 0, 0
			const requests = 20_000
			for i := range requests {
				path, want := fill(templates[r.IntN(len(templates))], r)
				route := router.Route([]byte(path))
				routes[route]++
				if route != want {
					wrong++
					if i >= requests/2 {
						late++
					}
				}
			}
			if late > requests/50 {
				t.Errorf("%d templates make %d routes; %d%% of all requests, %d%% of the later half have not their template's route:\n%v",
					len(templates), len(routes), 100*wrong/requests, 200*late/requests, routes)
			}
		})
	}
}

// TestWarmUp asks for 25 endpoints of one folder, one after the other.
func TestWarmUp(t *testing.T) {
	router := New(100)
	routes := map[string]bool{}
	for range 1000 {
		for i := range 25 {
			routes[router.Route([]byte("/api/"+string(rune('a'+i))+"things"))] = true
		}
	}
	final := map[string]bool{}
	for i := range 25 {
		final[router.Route([]byte("/api/"+string(rune('a'+i))+"things"))] = true
	}
	if len(final) < 25 {
		t.Errorf("25 endpoints, asked for 1000 times each, have %d routes: %v", len(final), final)
	}
}

// TestScanner has a scanner look for what is not there before the service
// is used.
func TestScanner(t *testing.T) {
	router := New(100)
	scan := strings.Fields(`/.env /.git/config /wp-login.php /wp-admin/setup-config.php /xmlrpc.php /phpmyadmin/index.php /admin/login
		/cgi-bin/luci /boaform/admin/formLogin /vendor/phpunit/src/Util/PHP/eval-stdin.php /solr/admin/info/system /actuator/health
		/actuator/env /HNAP1 /manager/html /console/ /jenkins/login /owa/auth/logon.aspx /autodiscover/autodiscover.json /server-status
		/config.json /backup.zip /db.sql /old/ /test/ /tmp/ /shell.php /c99.php /setup.cgi /login.action /struts2/index.action
		/_ignition/execute-solution /telescope/requests /laravel/.env /api/.env /app/.env /public/.env /docker/.env /sftp.json
		/.vscode/sftp.json /.aws/credentials /.ssh/id /remote/login /dana-na/auth /vpn/index.html /sslvpn/login /geoserver/web
		/nacos/v1/auth /druid/index.html /swagger/index.html /v2/_catalog /hudson/script /s3cfg /web/config /portal/redlion`)
	for _, path := range scan {
		router.Route([]byte(path))
	}
	r := rand.New(rand.NewPCG(1, 2))
	templates := strings.Fields(`/users /users/{n} /orders /orders/{n} /products /products/{n} /cart /checkout /search /healthz`)
	wrong, routes := 0, map[string]int{}
	for range 5000 {
		path, want := fill(templates[r.IntN(len(templates))], r)
		route := router.Route([]byte(path))
		routes[route]++
		if route != want {
			wrong++
		}
	}
	if wrong > 250 {
		t.Errorf("%d%% of 5000 requests have not their template's route: %v", wrong/50, routes)
	}
}

// TestLocales is a site of ten pages in twelve languages.
func TestLocales(t *testing.T) {
	router := New(100)
	r := rand.New(rand.NewPCG(1, 2))
	locales := strings.Fields("en de fr es it pt-BR nl pl ja zh-CN ko es-419")
	pages := strings.Fields("about contact pricing docs blog jobs login signup terms privacy")
	routes := map[string]int{}
	for range 20_000 {
		routes[router.Route([]byte("/"+locales[r.IntN(len(locales))]+"/"+pages[r.IntN(len(pages))]))]++
	}
	lost := 0
	for route, n := range routes {
		if strings.HasSuffix(route, "/{*}") || route == "/{*}" {
			lost += n
		}
	}
	if lost > 1000 {
		t.Errorf("%d routes, and %d%% of requests do not show their page: %v", len(routes), lost/200, routes)
	}
}

// TestPopularNames has some of many names asked for again and again: they must not use
// up the routes of what is beside them.
func TestPopularNames(t *testing.T) {
	router := New(100)
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 1, 100_000)
	templates := strings.Fields(interfaces["shop"])
	routes, wrong := map[string]int{}, 0
	const requests = 200_000
	for i := range requests {
		router.Route(fmt.Appendf(nil, "/wiki/%s", name(int(zipf.Uint64()))))
		path, want := fill(templates[r.IntN(len(templates))], r)
		route := router.Route([]byte(path))
		routes[route]++
		if i > 1000 && route != want {
			wrong++
		}
	}
	if wrong > requests/50 {
		t.Errorf("%d%% of requests have not their template's route: %v", 100*wrong/requests, routes)
	}
}

// name returns a name for every n.
func name(n int) string {
	b := []byte("n")
	for ; n > 0; n /= 20 {
		b = append(b, "bcdfghjklmnpqrstvwxz"[n%20])
	}
	return string(b)
}
