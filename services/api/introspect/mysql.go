package introspect

import (
	"context"
)

func (c Connection) readMySQL(context.Context, timeouts) (Reading, error) {
	return Reading{}, nil
}

func (c Connection) mysqlError(error) *Error { return nil }
