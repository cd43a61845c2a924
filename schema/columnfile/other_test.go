package columnfile_test

import (
	"strings"
	"testing"
)

const manifest = `{
  "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "bank"},
  "nodes": {
    "model.bank.loans": {
      "resource_type": "model", "database": "dwh", "schema": "mart", "name": "loans", "alias": "loans_v2",
      "config": {"materialized": "table"},
      "columns": {
        "id": {"name": "id", "data_type": "bigint", "description": "The loan."},
        "balance": {"name": "balance", "data_type": null, "description": "", "meta": {}, "tags": []}
      }
    },
    "model.bank.helper": {
      "resource_type": "model", "schema": "mart", "name": "helper", "config": {"materialized": "ephemeral"},
      "columns": {"x": {"name": "x"}}
    },
    "test.bank.unique": {"resource_type": "test", "columns": {"x": {"name": "x"}}},
    "seed.bank.codes": {"resource_type": "seed", "database": "dwh", "schema": "mart", "name": "codes", "columns": {}}
  },
  "macros": {"a": {"nodes": [1, [2], {}]}},
  "sources": {
    "source.bank.core.acct": {
      "resource_type": "source", "database": "core", "schema": "CRD", "name": "acct", "identifier": "ACCT",
      "columns": {"BAL_AMT": {"name": "BAL_AMT", "data_type": "NUMBER(14,2)", "description": "Balance"}}
    }
  }
}`

func TestRead_ReadsAManifest(t *testing.T) {
	t.Parallel()
	diff(t, []string{
		"4 dwh.mart.loans_v2.balance ", "4 dwh.mart.loans_v2.id bigint: The loan.",
		"21 core.CRD.ACCT.BAL_AMT NUMBER(14,2): Balance",
	}, columns(t, "manifest.json", manifest))
}

func TestRead_RefusesOtherJSON(t *testing.T) {
	t.Parallel()
	const other = "the file is not the manifest.json of dbt: "
	for name, c := range map[string]struct{ content, want string }{
		"empty":      {"", "1 : " + other + "it ends too early"},
		"a list":     {"[]", "1 : " + other + "an object is expected"},
		"cut off":    {"{\n\"nodes\": {\n\"a\": {", "3 : " + other + "it ends too early"},
		"no JSON":    {"{\n\"nodes\": {x", "2 : " + other + "it is not well-formed JSON"},
		"other type": {"{\"nodes\": {\n\"a\": {\"schema\": 1}}}", "2 : " + other + "schema has another type"},
		"no columns": {
			`{"nodes": {}}`, "0 : no model and no source in the manifest has columns; describe them in the project",
		},
	} {
		t.Run(name, func(t *testing.T) {
			diff(t, []string{c.want}, problems(t, "manifest.json", c.content))
		})
	}
}

const properties = `version: 2
models:
  - name: loans
    description: "{{ doc('loans') }}"
    config: {schema: mart, alias: loans_v2}
    columns:
      - name: id
        data_type: bigint
        description: The loan.
        data_tests: [unique, not_null]
      - name: balance
  - name: undescribed
sources:
  - name: CRD
    database: core
    tables:
      - name: acct
        identifier: ACCT
        columns:
          - name: BAL_AMT
            data_type: NUMBER(14,2)
      - name: party
        columns: [{name: ID}]
  - name: other
    schema: real_schema
    tables: [{name: t, columns: [{name: c}]}]
seeds:
  - name: codes
    columns: [{name: code, data_type: text}]
`

func TestRead_ReadsASchemaYML(t *testing.T) {
	t.Parallel()
	diff(t, []string{
		"20 core.CRD.ACCT.BAL_AMT NUMBER(14,2)", "23 core.CRD.party.ID ", "26 bank.real_schema.t.c ",
		"7 bank.mart.loans_v2.id bigint: The loan.", "11 bank.mart.loans_v2.balance ", "29 bank.bank.codes.code text",
	}, columns(t, "bank.yml", properties))
}

func TestRead_RefusesOtherYAML(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, want string }{
		"empty":      {"", "0 : no model and no source in the file has columns"},
		"no columns": {"models:\n  - name: a\n", "0 : no model and no source in the file has columns"},
		"a list":     {"- a\n- b\n", "1 : the file is not a schema.yml of dbt, or not well-formed YAML"},
		"no YAML":    {"models:\n  - name: 'a\n", "2 : the file is not a schema.yml of dbt, or not well-formed YAML"},
		"other type": {
			"models:\n  - name: a\n    columns: text\n",
			"3 : the file is not a schema.yml of dbt, or not well-formed YAML",
		},
		"an expression": {
			strings.Replace(properties, "real_schema", `"{{ var('schema') }}"`, 1),
			"26 t: a name is an expression of Jinja; import target/manifest.json, which has its value",
		},
	} {
		t.Run(name, func(t *testing.T) {
			diff(t, []string{c.want}, problems(t, "schema.yml", c.content))
		})
	}
}

const openMetadata = "name*,displayName,description,owner,tags,entityType*,fullyQualifiedName," +
	"column.dataTypeDisplay,column.dataType,column.arrayDataType,column.dataLength\r\n" +
	"core,,,,,databaseSchema,mysql.default.core,,,,\r\n" +
	"acct,,\"Accounts,\nall\",,,table,mysql.default.core.acct,,,,\r\n" +
	"bal,,What is owed,,,column,mysql.default.core.acct.bal,\"decimal(14,2)\",DECIMAL,,\r\n" +
	"name,,,,,column,\"\"\"local.mysql\"\".default.core.acct.name\",,VARCHAR,,40\r\n" +
	"street,,,,,column,mysql.default.core.acct.address.street,,STRING,,\r\n"

func TestRead_ReadsExportsOfOpenMetadata(t *testing.T) {
	t.Parallel()
	diff(t, []string{
		"5 mysql.core.acct.bal decimal(14,2): What is owed", "6 local.mysql.core.acct.name VARCHAR(40)",
		"7 mysql.core.acct.address.street STRING",
	}, columns(t, "core.csv", openMetadata))
	diff(t, []string{"2 s.c.t.x INT: about"}, columns(
		t,
		"table.csv",
		"name,description,column.fullyQualifiedName,column.description,column.dataType\n"+
			"t,a table,s.d.c.t.x,about,INT\n",
	))
}

func TestRead_RefusesExportsOfOpenMetadataWithoutColumns(t *testing.T) {
	t.Parallel()
	const short = "must be service.database.schema.table.column; export the schema or the database"
	for name, c := range map[string]struct{ content, want string }{
		"only tables": {openMetadata[:strings.Index(openMetadata, "bal,")], "0 : the file has no columns"},
		"a short name": {
			strings.Replace(openMetadata, "mysql.default.core.acct.bal", "acct.bal", 1),
			"5 fullyqualifiedname: " + short,
		},
		"an open quote": {
			strings.Replace(openMetadata, `""local.mysql""`, `""local.mysql`, 1), "6 fullyqualifiedname: " + short,
		},
		"quotes": {openMetadata + "\"x\n", "8 : the quotes do not match"},
	} {
		t.Run(name, func(t *testing.T) {
			diff(t, []string{c.want}, problems(t, "core.csv", c.content))
		})
	}
}
