// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"io"
	"net/url"
	"strings"
)

const (
	serviceNameKey  = "OTEL_SERVICE_NAME="
	resourceAttrKey = "OTEL_RESOURCE_ATTRIBUTES="
)

// serviceFromEnviron returns the service name that the NUL-separated environment
// sets, by the precedence of the OpenTelemetry specification:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
// It needs no more memory than buf; a variable longer than that is skipped.
func serviceFromEnviron(r io.Reader, buf []byte) string {
	attributes := ""
	held, skipping := 0, false
	for {
		n, err := r.Read(buf[held:])
		held += n
		rest := buf[:held]
		for {
			end := bytes.IndexByte(rest, 0)
			if end < 0 {
				break
			}
			if !skipping {
				if name := environName(rest[:end], &attributes); name != "" {
					return name
				}
			}
			rest, skipping = rest[end+1:], false
		}
		if err != nil || n == 0 {
			return serviceFromAttributes(attributes)
		}
		if len(rest) == len(buf) {
			rest, skipping = nil, true
		}
		held = copy(buf, rest)
	}
}

// environName returns the value of OTEL_SERVICE_NAME if variable is that, and
// puts that of OTEL_RESOURCE_ATTRIBUTES aside.
func environName(variable []byte, attributes *string) string {
	if value, ok := bytes.CutPrefix(variable, []byte(serviceNameKey)); ok {
		return clean(string(bytes.TrimSpace(value)), maxName)
	}
	if value, ok := bytes.CutPrefix(variable, []byte(resourceAttrKey)); ok && *attributes == "" {
		*attributes = string(value)
	}
	return ""
}

// serviceFromAttributes returns service.name of a list "key=value,key=value",
// whose values are percent-encoded.
func serviceFromAttributes(list string) string {
	for list != "" {
		var pair string
		pair, list, _ = strings.Cut(list, ",")
		key, value, _ := strings.Cut(pair, "=")
		if strings.TrimSpace(key) != "service.name" {
			continue
		}
		value = strings.TrimSpace(value)
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		return clean(value, maxName)
	}
	return ""
}
