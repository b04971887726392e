/* Forgot what it returns. */
int main(void)
{
    return answer;
}
