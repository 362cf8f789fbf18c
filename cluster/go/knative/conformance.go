//go:build e2e

// Package knative pins what the local cluster and the ingress conformance suite build.
package knative

import (
	_ "knative.dev/networking/test/conformance/ingress"
)
