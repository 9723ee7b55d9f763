// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The metrics are those of metadata.yaml, with the same unit, description and
// attributes.
func TestMetadata(t *testing.T) {
	conf, err := confmaptest.LoadConf("metadata.yaml")
	require.NoError(t, err)
	var meta struct {
		Telemetry struct {
			Metrics map[string]struct {
				Description string         `mapstructure:"description"`
				Unit        string         `mapstructure:"unit"`
				Attributes  []string       `mapstructure:"attributes"`
				Sum         map[string]any `mapstructure:"sum"`
			} `mapstructure:"metrics"`
		} `mapstructure:"telemetry"`
	}
	sub := conf.ToStringMap()
	require.Equal(t, NewFactory().Type().String(), sub["type"])
	require.NoError(t, conf.Unmarshal(&meta, confmap.WithIgnoreUnused()))

	r := run(t, nil)
	p := newTalker(t, 1)
	p.talk()
	r.wait(p, 2)
	var got metricdata.ResourceMetrics
	require.NoError(t, r.telemetry.Reader.Collect(context.Background(), &got))
	seen := 0
	for _, scope := range got.ScopeMetrics {
		if scope.Scope.Name != scopeName {
			continue
		}
		for _, m := range scope.Metrics {
			name := m.Name[len("otelcol_"):]
			want, ok := meta.Telemetry.Metrics[name]
			require.True(t, ok, "%s is not in metadata.yaml", name)
			require.Equal(t, want.Description, m.Description, name)
			require.Equal(t, want.Unit, m.Unit, name)
			points, isSum := dataPoints(m.Data)
			require.Equal(t, want.Sum != nil, isSum, name)
			for _, point := range points {
				var keys []string
				for _, kv := range point.Attributes.ToSlice() {
					keys = append(keys, string(kv.Key))
				}
				require.ElementsMatch(t, want.Attributes, keys, name)
			}
			seen++
		}
	}
	require.Len(t, meta.Telemetry.Metrics, seen)
}

func dataPoints(d metricdata.Aggregation) (points []metricdata.DataPoint[int64], isSum bool) {
	switch d := d.(type) {
	case metricdata.Sum[int64]:
		return d.DataPoints, true
	case metricdata.Gauge[int64]:
		return d.DataPoints, false
	}
	return nil, false
}
