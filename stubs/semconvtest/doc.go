// Package semconvtest is empty: see the replace directive in the root go.mod.
package semconvtest
