// SPDX-License-Identifier: Apache-2.0

// Package otlp turns rows into OTLP and back: spans for the tables of requests,
// metrics for conn_stats, logs for the tables that report what happened. It
// knows tables by their schemas alone, so a protocol needs nothing here.
package otlp

import semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

// SchemaURL names the version of the semantic conventions that the keys follow.
const SchemaURL = semconv.SchemaURL

// ScopePrefix begins the name of each instrumentation scope that holds rows; the
// name of their table follows. The way back finds the table by it.
const ScopePrefix = "github.com/puck-otel/puck/"

// The keys of the semantic conventions that are in use beside the attributes of
// the columns. No other package imports the conventions.
const (
	KeyServiceName       = string(semconv.ServiceNameKey)
	KeyServiceInstance   = string(semconv.ServiceInstanceIDKey)
	KeyHostName          = string(semconv.HostNameKey)
	KeyContainerID       = string(semconv.ContainerIDKey)
	KeyPodUID            = string(semconv.K8SPodUIDKey)
	KeyProcessPID        = string(semconv.ProcessPIDKey)
	KeyProcessExecutable = string(semconv.ProcessExecutableNameKey)
	KeyProcessPath       = string(semconv.ProcessExecutablePathKey)
	KeyProcessCommand    = string(semconv.ProcessCommandLineKey)

	KeyServerAddress   = string(semconv.ServerAddressKey)
	KeyServerPort      = string(semconv.ServerPortKey)
	KeyClientAddress   = string(semconv.ClientAddressKey)
	KeyClientPort      = string(semconv.ClientPortKey)
	KeyPeerAddress     = string(semconv.NetworkPeerAddressKey)
	KeyPeerPort        = string(semconv.NetworkPeerPortKey)
	KeyTransport       = string(semconv.NetworkTransportKey)
	KeyNetworkType     = string(semconv.NetworkTypeKey)
	KeyDirection       = string(semconv.NetworkIODirectionKey)
	KeyProtocol        = string(semconv.NetworkProtocolNameKey)
	KeyProtocolVersion = string(semconv.NetworkProtocolVersionKey)
	KeyTLS             = string(semconv.TLSEstablishedKey)
	KeyErrorType       = string(semconv.ErrorTypeKey)

	KeyURLFull        = string(semconv.URLFullKey)
	KeyURLScheme      = string(semconv.URLSchemeKey)
	KeyURLPath        = string(semconv.URLPathKey)
	KeyURLQuery       = string(semconv.URLQueryKey)
	KeyURLTemplate    = string(semconv.URLTemplateKey)
	KeyMethod         = string(semconv.HTTPRequestMethodKey)
	KeyMethodOriginal = string(semconv.HTTPRequestMethodOriginalKey)
	KeyStatusCode     = string(semconv.HTTPResponseStatusCodeKey)
	KeyRoute          = string(semconv.HTTPRouteKey)
	KeyRequestSize    = string(semconv.HTTPRequestBodySizeKey)
	KeyResponseSize   = string(semconv.HTTPResponseBodySizeKey)
	KeyRPCStatusCode  = string(semconv.RPCResponseStatusCodeKey)
	KeyDBSystem       = string(semconv.DBSystemNameKey)
	KeyDBStatusCode   = string(semconv.DBResponseStatusCodeKey)
)

// The keys of our own.
const (
	KeyUPID = "puck.upid" // of the resource: asid:pid:start_ticks
	KeyRole = "puck.connection.role"
	// KeyServiceDerived is service.name again, of a resource whose process does not
	// say it: others who know a name may put theirs in its place.
	KeyServiceDerived = "puck.service.derived"
)

// Keys returns the keys above: all that OTLP made of rows can have beside the
// attributes of the columns.
func Keys() []string {
	return []string{
		KeyServiceName, KeyServiceInstance, KeyHostName, KeyContainerID, KeyPodUID, KeyProcessPID, KeyProcessExecutable,
		KeyProcessPath, KeyProcessCommand, KeyServerAddress, KeyServerPort, KeyClientAddress, KeyClientPort,
		KeyPeerAddress, KeyPeerPort, KeyTransport, KeyNetworkType, KeyDirection, KeyProtocol, KeyProtocolVersion,
		KeyTLS, KeyErrorType, KeyURLFull, KeyURLScheme, KeyURLPath, KeyURLQuery, KeyURLTemplate, KeyMethod,
		KeyMethodOriginal, KeyStatusCode, KeyRoute, KeyRequestSize, KeyResponseSize, KeyRPCStatusCode, KeyDBSystem,
		KeyDBStatusCode, KeyUPID, KeyRole, KeyServiceDerived,
	}
}
