package schema

import (
	"database/sql/driver"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// USD is an amount of US dollars in picodollars (10^-12), so that sums of the cost of single tokens are exact. The
// database has it as numeric, with twelve decimals.
type USD int64

// usdDecimals is the number of decimals of [USD].
const usdDecimals = 12

// Dollar is one US dollar.
const Dollar USD = 1e12

// ParseUSD reads a decimal number such as 0.0375. It returns an error for other text, for a number with more than
// twelve decimals, and for one beyond nine million.
func ParseUSD(text string) (USD, error) {
	value, ok := new(big.Rat).SetString(text)
	if !ok || strings.Contains(text, "/") {
		return 0, fmt.Errorf("%q is not a decimal number", text)
	}
	value.Mul(value, new(big.Rat).SetInt64(int64(Dollar)))
	if !value.IsInt() {
		return 0, fmt.Errorf("%s has more than %d decimals", text, usdDecimals)
	}
	if !value.Num().IsInt64() {
		return 0, fmt.Errorf("%s is too large", text)
	}
	return USD(value.Num().Int64()), nil
}

// USDOf returns the amount that is nearest to a floating-point number, as it comes in JSON.
func USDOf(dollars float64) USD { return USD(math.Round(dollars * float64(Dollar))) }

// Float returns the amount in dollars, for JSON.
func (u USD) Float() float64 { return float64(u) / float64(Dollar) }

// String returns the amount in dollars without trailing zeros, such as 0.0375.
func (u USD) String() string {
	text := u.decimal()
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// decimal returns the amount with all decimals.
func (u USD) decimal() string {
	return new(big.Rat).SetFrac64(int64(u), int64(Dollar)).FloatString(usdDecimals)
}

// Value returns the amount for a numeric column.
func (u USD) Value() (driver.Value, error) { return u.decimal(), nil }

// Scan reads the amount from a numeric column. Null is zero.
func (u *USD) Scan(value any) error {
	var text string
	switch value := value.(type) {
	case nil:
		*u = 0
		return nil
	case string:
		text = value
	case []byte:
		text = string(value)
	case int64:
		text = fmt.Sprint(value)
	default:
		return fmt.Errorf("an amount of dollars cannot be read from %T", value)
	}
	amount, err := ParseUSD(text)
	*u = amount
	return err
}
