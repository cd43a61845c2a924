// Package rules classifies attributes by a policy that a data-governance officer can read and change.
package rules
