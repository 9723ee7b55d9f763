// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	envprovider "go.opentelemetry.io/collector/confmap/provider/envprovider"
	fileprovider "go.opentelemetry.io/collector/confmap/provider/fileprovider"
	yamlprovider "go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/otelcol"
)

// dryRun does what `otelcol-puck validate` does with these configurations.
func dryRun(t *testing.T, uris ...string) error {
	t.Helper()
	c, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.NewDefaultBuildInfo(),
		Factories: components,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs: uris,
			ProviderFactories: []confmap.ProviderFactory{
				envprovider.NewFactory(), fileprovider.NewFactory(), yamlprovider.NewFactory(),
			},
		}},
		DisableGracefulShutdown: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.DryRun(t.Context())
}

func TestComponents(t *testing.T) {
	factories, err := components()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"protocol_trace", "otlp"} {
		if _, ok := factories.Receivers[component.MustNewType(name)]; !ok {
			t.Errorf("receiver %s is missing", name)
		}
	}
	for _, name := range []string{"terminal", "otlp_grpc", "otlp_http", "clickhouse", "prometheus_remote_write"} {
		if _, ok := factories.Exporters[component.MustNewType(name)]; !ok {
			t.Errorf("exporter %s is missing", name)
		}
	}
	for kind, factory := range factories.Receivers {
		if kind != factory.Type() {
			t.Errorf("receiver %s calls itself %s", kind, factory.Type())
		}
	}
}

func TestConfigurationsAreValid(t *testing.T) {
	files, err := filepath.Glob("../../config/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v: %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Setenv("KUBE_NODE_NAME", "node-1")
			if err := dryRun(t, "file:"+file); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGatewayTakesItsExportersFromTheEnvironment(t *testing.T) {
	t.Setenv("PUCK_TRACES_TO", "[clickhouse, otlp_grpc]")
	t.Setenv("PUCK_SAMPLING_PERCENT", "100")
	if err := dryRun(t, "file:../../config/gateway.yaml"); err != nil {
		t.Error(err)
	}
	t.Setenv("PUCK_TRACES_TO", "[nowhere]")
	if err := dryRun(t, "file:../../config/gateway.yaml"); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("an exporter that is not there: %v", err)
	}
}

func TestAMistakeIsFound(t *testing.T) {
	err := dryRun(t, "file:../../config/local.yaml", "yaml:receivers::protocol_trace::capture_size: -1")
	if err == nil || !strings.Contains(err.Error(), "capture_size") {
		t.Errorf("a negative capture_size: %v", err)
	}
}
