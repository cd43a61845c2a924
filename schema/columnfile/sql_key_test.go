package columnfile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema/columnfile"
)

// keys reads a script and returns the columns that are keys, each as "schema.table.column", with "pk" for a primary
// key, and the column that a foreign key refers to.
func keys(t *testing.T, script string) (lines []string) {
	t.Helper()
	file, err := columnfile.Read("x.sql", []byte(script))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Rows {
		text := fmt.Sprintf("%s.%s.%s", c.SchemaName, c.TableName, c.ColumnName)
		if c.IsPrimaryKey {
			text += " pk"
		}
		if c.References != "" {
			text += " -> " + c.References
		}
		if strings.Contains(text, " ") {
			lines = append(lines, text)
		}
	}
	return lines
}

func TestRead_ReadsKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"of columns": {
			"create table a (id int constraint p primary key, b int references B (code) on delete cascade, c int);\n" +
				"create table b (code char(3) not null primary key, a_id int default 1 references a);",
			[]string{
				"public.a.id pk", "public.a.b -> public.b.code", "public.b.code pk", "public.b.a_id -> public.a.id",
			},
		},
		"of tables": {
			"create table t (primary key (b, a desc), a int, b varchar(9), c int, d int,\n" +
				"  constraint f foreign key (c, d) references s.other (x, \"y.z\"), check (a > 0),\n" +
				"  foreign key (a, b) references other);",
			[]string{"public.t.a pk", "public.t.b pk", "public.t.c -> s.other.x", `public.t.d -> s.other."y.z"`},
		},
		"a foreign key to a primary key of two columns": {
			"create table p (x int, y int, primary key (y, x));\n" +
				"create table c (a int, b int, foreign key (a, b) references p);",
			[]string{"public.p.x pk", "public.p.y pk", "public.c.a -> public.p.y", "public.c.b -> public.p.x"},
		},
		"pg_dump": {
			"CREATE TABLE s.a (id bigint NOT NULL, b_id bigint);\nCREATE TABLE s.b (id bigint NOT NULL);\n" +
				"ALTER TABLE s.a OWNER TO bank;\nALTER TABLE ONLY s.a\n    ADD CONSTRAINT a_pkey PRIMARY KEY (id);\n" +
				"ALTER TABLE ONLY s.b ADD CONSTRAINT b_pkey PRIMARY KEY (id);\n" +
				"ALTER TABLE ONLY s.a ADD CONSTRAINT a_b FOREIGN KEY (b_id) " +
				"REFERENCES s.b(id) ON DELETE CASCADE;\n" +
				"ALTER TABLE ONLY s.missing ADD CONSTRAINT m PRIMARY KEY (id);",
			[]string{"s.a.id pk", "s.a.b_id -> s.b.id", "s.b.id pk"},
		},
		"mysqldump": {
			"USE `shop`;\nCREATE TABLE `line` (\n `id` int, `no` int, `of` int,\n" +
				" PRIMARY KEY (`id`,`no`) USING BTREE,\n" +
				" UNIQUE KEY `u` (`of`), KEY `k` (`of`(10)),\n" +
				" CONSTRAINT `c` FOREIGN KEY (`of`) REFERENCES `order` (`id`) ON UPDATE CASCADE\n);",
			[]string{"shop.line.id pk", "shop.line.no pk", "shop.line.of -> shop.order.id"},
		},
		"phpMyAdmin": {
			"USE shop;\nCREATE TABLE `a` (`id` int, `b` int);\n" +
				"ALTER TABLE `a`\n  ADD PRIMARY KEY (`id`),\n  ADD KEY `k` (`b`);\n" +
				"ALTER TABLE `a`\n  ADD CONSTRAINT `c` FOREIGN KEY (`b`) REFERENCES `a` (`id`);",
			[]string{"shop.a.id pk", "shop.a.b -> shop.a.id"},
		},
		"SQL Server": {
			"CREATE TABLE [dbo].[A](\n [Id] [int] IDENTITY(1,1) NOT NULL,\n [B Id] [int] NULL,\n" +
				" CONSTRAINT [PK_A] PRIMARY KEY CLUSTERED ([Id] ASC) WITH (PAD_INDEX = OFF) ON [PRIMARY]\n)\n" +
				"CREATE TABLE B(Id int NOT NULL)\n" +
				"ALTER TABLE B ADD CONSTRAINT PK_B PRIMARY KEY NONCLUSTERED (Id)\n" +
				"ALTER TABLE [dbo].[A]  WITH CHECK ADD  CONSTRAINT [FK] FOREIGN KEY([B Id])\n" +
				"REFERENCES [dbo].[B] ([Id])\n" +
				"ALTER TABLE [dbo].[A] CHECK CONSTRAINT [FK]\n",
			[]string{"dbo.A.Id pk", "dbo.A.B Id -> dbo.B.Id", "dbo.B.Id pk"},
		},
		"Oracle": {
			"CREATE TABLE \"L\".\"A\" (\"ID\" NUMBER(5), \"B_ID\" NUMBER(5),\n" +
				" CONSTRAINT \"P\" PRIMARY KEY (\"ID\") USING INDEX PCTFREE 10 ENABLE) ;\n" +
				"CREATE TABLE \"L\".\"B\" (\"ID\" NUMBER(5));\n" +
				"ALTER TABLE \"L\".\"B\" ADD (CONSTRAINT \"Q\" PRIMARY KEY (\"ID\") ENABLE);\n" +
				"ALTER TABLE \"L\".\"A\" MODIFY (\"ID\" NOT NULL ENABLE);\n" +
				"ALTER TABLE \"L\".\"A\" ADD CONSTRAINT \"F\" FOREIGN KEY (\"B_ID\") " +
				"REFERENCES \"L\".\"B\" (\"ID\") ENABLE;",
			[]string{"L.A.ID pk", "L.A.B_ID -> L.B.ID", "L.B.ID pk"},
		},
		"names that no key has": {
			"create table t (a int, b int references, primary key (x), foreign key (a) references u);\n" +
				"create table c (like t);",
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff(t, c.want, keys(t, c.script))
		})
	}
}

func TestRead_RecognisesSQLServer(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"names in brackets": "CREATE TABLE a (\n [b c] int,\n d int)\nCREATE TABLE e (f int)",
		"a type":            "CREATE TABLE a (\"b c\" uniqueidentifier,\n d int)\nCREATE TABLE e (f int)",
		"a schema":          "CREATE TABLE dbo.a (\"b c\" int, d int)\nCREATE TABLE e (f int)",
		"a batch that repeats": "INSERT INTO x VALUES (1)\nGO 5\nCREATE TABLE a (\"b c\" int, d int)\n" +
			"go  12 \nCREATE TABLE e (f int)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var names []string
			for _, line := range columns(t, "x.sql", script) {
				_, column, _ := strings.Cut(line, " ")
				names = append(names, column)
			}
			diff(t, []string{"x.dbo.a.b c", "x.dbo.a.d int", "x.dbo.e.f int"}, withoutType(names))
		})
	}
	diff(t, []string{"1 x.public.a.b text[]", "1 x.public.a.c int[3]"},
		columns(t, "x.sql", "create table a (b text[], c int[3] default array[1]);"))
}

// withoutType removes the type of the first column, which differs.
func withoutType(lines []string) []string {
	if len(lines) > 0 {
		lines[0] = lines[0][:strings.LastIndexByte(lines[0], ' ')]
	}
	return lines
}
