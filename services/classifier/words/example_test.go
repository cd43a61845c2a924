package words_test

import (
	"fmt"

	"github.com/pdeflow/pdeflow/services/classifier/words"
)

func ExampleSplit() {
	for _, name := range []string{"ACCT_OPN_DT", "acctOpenDate", "CURRBAL", "60+ DPD", "Fecha de nacimiento", "客户姓名"} {
		fmt.Println(words.Split(name))
	}
	// Output:
	// [account open date]
	// [account open date]
	// [current balance]
	// [60 plus day past due]
	// [birth date]
	// [customer full name]
}

func ExampleSplit_context() {
	fmt.Println(words.Split("CR_LMT"), words.Split("CR_MTH"))
	// Output: [credit limit] [current month]
}

func ExampleAppend() {
	buffer := make([]string, 0, 16)
	for _, name := range []string{"CUST_NM", "CUST_ADDR"} {
		buffer = words.Append(buffer, name)
	}
	fmt.Println(buffer)
	// Output: [customer name customer address]
}

func ExampleLocate() {
	const name = "Fecha de nacimiento"
	for _, w := range words.Locate(nil, name) {
		fmt.Printf("%s: %s\n", w.Text, name[w.Start:w.End])
	}
	// Output:
	// birth: nacimiento
	// date: Fecha
}

func ExampleKnown() {
	fmt.Println(words.Known("accts"), words.Known("zyxwv"))
	// Output: true false
}
