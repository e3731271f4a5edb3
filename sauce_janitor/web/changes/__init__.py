"""The pages that change something: pause and resume, holds, approvals."""
